"""HTTP/1.1 over one connection: bytes in, requests in order to the handler, one write per answer.

Pipelined requests are answered one after another. Limits and timeouts are those of `HttpLimits`; time is
read from the sweep in `Connections`, so that no request needs a timer of its own.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

from hopyard.server.http.connections import FOREVER, Connections, has_unread
from hopyard.server.http.heads import KNOWN_HEAD_BYTES, KnownHead
from hopyard.server.http.limits import HttpLimits
from hopyard.server.http.reading import Reader
from hopyard.server.http.requests import Refusal, Request, RequestIds
from hopyard.server.http.responses import answer

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
Handler = Callable[[Request], None]


class HttpProtocol(asyncio.Protocol):
    """One connection."""

    def __init__(
        self,
        handle: Handler,
        *,
        connections: Connections,
        ids: RequestIds,
        limits: HttpLimits,
        http2: Callable[[], asyncio.Protocol] | None = None,
    ) -> None:
        self.deadline = connections.now + limits.head
        self._handle = handle
        self._connections = connections
        self._ids = ids
        self._limits = limits
        self._http2 = http2
        self._first: bytes | None = b""
        self._transport: asyncio.Transport
        self._reader = Reader(self, limits)
        self._answering: Request | None = None
        self._waiting: deque[Request] = deque()
        self._advancing = False
        self._reading_paused = False
        self._deaf = False
        self._writable = True
        self._heads = connections.heads
        self._resumed: asyncio.Future[None] | None = None
        self._unsent = 0

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        for request in (self._reader.request, self._answering, *self._waiting):
            if request is not None:
                request.abandoned = True
        self._waiting.clear()
        self._release()

    @property
    def idle(self) -> bool:
        return self._answering is None and self._reader.request is None and not self._waiting

    @property
    def is_new(self) -> bool:
        return self._first is not None

    @property
    def has_unread(self) -> bool:
        return has_unread(self._transport)

    def close(self) -> None:
        self._transport.close()

    def expire(self) -> None:
        """The peer was too slow: say so if it was sending a request, otherwise just leave."""
        unsent = 0 if self._writable else self._transport.get_write_buffer_size()
        if unsent < self._unsent:  # slow, but reading
            self._unsent = unsent
            self.deadline = self._connections.now + self._limits.write
            return
        self.deadline = FOREVER
        if self._reader.request is not None and not self._deaf:
            self._refuse(
                Refusal(408, "RequestTimeout", "The request did not arrive in time; send it faster.")
            )
            self._advance()
        elif self.idle and not self._deaf and self._writable:
            self._transport.close()
        else:
            self._transport.abort()

    def pause_writing(self) -> None:
        self._writable = False
        self._unsent = self._transport.get_write_buffer_size()
        self.deadline = self._connections.now + self._limits.write

    def resume_writing(self) -> None:
        self._writable = True
        self._unsent = 0
        self._release()
        self.deadline = FOREVER
        self._advance()
        self._await_next()

    async def writable(self) -> None:
        """Return when the client has read enough of what was written, or has gone."""
        if not self._writable and not self._transport.is_closing():
            if self._resumed is None:
                self._resumed = asyncio.get_running_loop().create_future()
            await self._resumed

    def _release(self) -> None:
        if self._resumed is not None and not self._resumed.done():
            self._resumed.set_result(None)
        self._resumed = None

    # Bytes in

    def data_received(self, data: bytes) -> None:
        if self._reader.request is None and self._first is None and not self._deaf:
            end = data.find(b"\r\n\r\n", 0, KNOWN_HEAD_BYTES)
            known = self._heads.get(data[:end]) if end > 0 else None
            if known is not None and known.length == len(data) - end - 4:
                self._take_known(known, data[end + 4 :])
                return
        elif self._first is not None and (data := self._told_apart(data)) == b"":
            return
        if not self._deaf:
            self._read(data)

    def _take_known(self, known: KnownHead, body: bytes) -> None:
        """A request whose head is, byte for byte, one that was parsed before."""
        request = Request(self, known.headers)
        request.method = b"POST"
        request.target = known.target
        request.body = body
        self.deadline = FOREVER
        if self._answering is not None or self._waiting or not self._writable:
            self._enqueue(request)
            self._advance()
            return
        request.id = self._ids.choose(None)
        self._answering = request
        try:
            self._handle(request)
        except Exception:
            request.fail_inside()

    def _read(self, data: bytes) -> None:
        reader = self._reader
        completed, starts_here = reader.completed, reader.request is None
        try:
            reader.read(data)
        except Refusal as refusal:
            self._refuse(refusal)
        if self._waiting:
            if starts_here and reader.completed == completed + 1 and reader.begun == 1:
                self._heads.learn(data, self._waiting[-1])
            self._advance()

    @property
    def now(self) -> float:
        return self._connections.now

    def take(self, request: Request) -> None:
        self.deadline = FOREVER
        self._enqueue(request)

    def go_on(self) -> None:
        if self._answering is None and not self._waiting:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _told_apart(self, data: bytes) -> bytes:
        """Let the first bytes of a connection decide its protocol; return what is HTTP/1.1."""
        data = (self._first or b"") + data
        self._first = None
        if self._http2 is None or not PREFACE.startswith(data[: len(PREFACE)]):
            return data
        if len(data) < len(PREFACE):
            self._first = data
            return b""
        self._connections.discard(self)
        protocol = self._http2()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(data)
        return b""

    def _refuse(self, refusal: Refusal) -> None:
        request = self._reader.request or Request(self, {})
        self._reader.request = None
        self._deaf = True
        self.deadline = FOREVER
        request.refusal = refusal
        request.keep_alive = False
        self._enqueue(request)

    # Requests in order

    def _enqueue(self, request: Request) -> None:
        request.id = self._ids.choose(request.headers.get(b"x-request-id"))
        self._waiting.append(request)
        if len(self._waiting) >= self._limits.pipelined and not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    def _advance(self) -> None:
        if self._advancing:
            return
        self._advancing = True
        while self._waiting and self._answering is None and self._writable:
            self._answering = request = self._waiting.popleft()
            try:
                self._handle(request)
            except Exception:
                request.fail_inside()
        self._advancing = False
        if self._reading_paused and not self._waiting and not self._deaf:
            self._reading_paused = False
            self._transport.resume_reading()

    # Bytes out

    def common_headers(self, request: Request) -> bytes:
        if self._connections.draining:
            request.keep_alive = False
        if not request.keep_alive:
            persistence = b"connection: close\r\n"
        elif request.is_http_1_0:  # its client must be told that it was granted
            persistence = b"connection: keep-alive\r\n"
        else:
            persistence = b""
        return b"%bx-request-id: %b\r\n%b" % (self._connections.lines, request.id, persistence)

    def plain_answer(self, request: Request, body: bytes) -> bytes:
        """A 200 of JSON, the answer nearly all have: its first lines are made once in a second."""
        if self._connections.draining or request.is_http_1_0:
            return answer(200, body, headers=self.common_headers(request))
        return b"%b%b\r\ncontent-length: %d\r\n\r\n%b" % (
            self._connections.plain_head,
            request.id,
            len(body),
            body,
        )

    def send(self, request: Request, data: bytes) -> None:
        transport = self._transport
        if transport.is_closing() or request is not self._answering:
            return
        transport.write(data)
        self._answering = None
        if not request.keep_alive:
            self._leave(request)
            return
        if self._waiting:
            self._advance()
        elif self._reader.request is None and self._writable:
            self.deadline = self._connections.now + self._limits.idle

    def send_part(self, request: Request, data: bytes) -> None:
        """Write a piece of an answer that `send` will end."""
        if not self._transport.is_closing() and request is self._answering:
            self._transport.write(data)

    def break_off(self, request: Request) -> None:
        """Close without the end that was promised, which is how the client learns of it."""
        if request is self._answering:
            self._transport.abort()

    def _await_next(self) -> None:
        """Nothing is owed: the client has this long for its next request."""
        if self._reader.request is None and self._answering is None and self._writable:
            self.deadline = self._connections.now + self._limits.idle

    def _leave(self, request: Request) -> None:
        """Close after the answer. After a refusal listen a little longer: closing on unread bytes resets the
        connection, and the client would never see why it was refused."""
        self._waiting.clear()
        if request.refusal is None or not self._transport.can_write_eof():
            self._transport.close()
            return
        if self._reading_paused:
            self._transport.resume_reading()
        self._transport.write_eof()
        self.deadline = self._connections.now + self._limits.linger
