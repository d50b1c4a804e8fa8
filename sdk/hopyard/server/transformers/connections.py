"""One keep-alive connection to a predictor: a request is written, its answer is read whole or as it comes."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import httptools

MOST_UNREAD = 256 * 1024

Headers = dict[bytes, bytes]


class Lost(Exception):
    """The connection ended before there was an answer to hand on, or in the midst of one that is streamed."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What a predictor answered; with a `stream` the body comes by it."""

    status: int
    headers: Headers
    body: bytes = b""
    stream: "Stream | None" = None


class Stream:
    """The body of an answer as it comes. It must be read to its end or closed."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._pieces: deque[bytes] = deque()
        self._unread = 0
        self._ended = False
        self._lost = False
        self._more = asyncio.Event()

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> bytes:
        while not self._pieces:
            if self._lost:
                raise Lost("The predictor ended in the midst of its answer.")
            if self._ended:
                raise StopAsyncIteration
            self._more.clear()
            await self._more.wait()
        piece = self._pieces.popleft()
        self._unread -= len(piece)
        if self._unread <= MOST_UNREAD and not self._ended:
            self._transport.resume_reading()
        return piece

    async def aclose(self) -> None:
        """End the connection, unless the answer has come to its end."""
        if not self._ended:
            self._transport.abort()

    def put(self, piece: bytes) -> None:
        """A piece has come; a reader that is slow is waited for."""
        self._pieces.append(piece)
        self._unread += len(piece)
        if self._unread > MOST_UNREAD:
            self._transport.pause_reading()
        self._more.set()

    def end(self, *, lost: bool) -> None:
        self._ended, self._lost = True, lost
        self._more.set()


class Connection(asyncio.Protocol):
    """Answers one request at a time; `freed(connection)` is called when it can take the next, or never will."""

    def __init__(self, freed: Callable[["Connection"], None]) -> None:
        self.is_open = False
        self.is_fresh = True
        self._freed = freed
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[Answered] | None = None
        self._stream: Stream | None = None
        self._headers: Headers = {}
        self._body: list[bytes] = []

    async def ask(self, data: bytes) -> Answered:
        """Send a request and return its answer, or the beginning of one that is streamed. Raises Lost."""
        if not self.is_open:
            raise Lost
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        return await self._waiter

    def close(self) -> None:
        """Take no more requests."""
        if self.is_open:
            self.is_open = False
            self._transport.close()

    # Of the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._lose()
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        self._lose()
        self._freed(self)

    def _lose(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(Lost())
        if self._stream is not None:
            self._stream.end(lost=True)
            self._stream = None

    # Of the parser

    def on_message_begin(self) -> None:
        self._headers, self._body = {}, []

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        before = self._headers.get(name)
        self._headers[name] = value if before is None else b"%b, %b" % (before, value)

    def on_headers_complete(self) -> None:
        if b"content-length" not in self._headers and self._parser.get_status_code() not in (204, 304):
            self._stream = Stream(self._transport)
            self._answer(stream=self._stream)

    def on_body(self, data: bytes) -> None:
        if self._stream is None:
            self._body.append(data)
        else:
            self._stream.put(data)

    def on_message_complete(self) -> None:
        self.is_fresh = False
        if not self._parser.should_keep_alive():
            self.close()
        if self._stream is None:
            self._answer()
        else:
            self._stream.end(lost=False)
            self._stream = None
        self._freed(self)

    def _answer(self, stream: Stream | None = None) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            body = b"".join(self._body) if stream is None else b""
            waiter.set_result(Answered(self._parser.get_status_code(), self._headers, body, stream))
