"""Bytes of HTTP/1.1 parsed into requests, within the limits of `HttpLimits`."""

import logging
from typing import Protocol

import httptools

from hopyard.server.allocator import LARGE_BODY, keep_freed_memory
from hopyard.server.http.limits import HttpLimits
from hopyard.server.http.requests import Refusal, Request, Sender

log = logging.getLogger(__name__)


class Connection(Sender, Protocol):
    """Who is told of what was read. `deadline` is when the client must have sent more."""

    deadline: float

    @property
    def now(self) -> float: ...
    def take(self, request: Request) -> None:
        """A request is complete, or refused."""

    def go_on(self) -> None:
        """The client waits to be told before it sends its body."""


class Reader:
    """The parser of one connection. `request` is the one being read, `begun` and `completed` count those of
    the last `read` and of all.
    """

    def __init__(self, connection: Connection, limits: HttpLimits) -> None:
        self.request: Request | None = None
        self.begun = 0
        self.completed = 0
        self._connection = connection
        self._limits = limits
        self._parser = httptools.HttpRequestParser(self)
        self._chunks: list[bytes] = []
        self._head_size = 0
        self._head_fed = 0
        self._body_size = 0
        self._head_done = False
        self._replaying = False

    def read(self, data: bytes) -> None:
        """Parse some more. Raises Refusal."""
        try:
            self._feed(data)
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            if isinstance(cause, Refusal):
                raise cause from None
            log.error("A request could not be read", exc_info=cause)
            raise Refusal(400, "MalformedRequest", "The request could not be read.") from None
        except httptools.HttpParserError as error:
            raise Refusal(400, "MalformedRequest", f"This is not valid HTTP/1.1: {error}.") from None

    def _feed(self, data: bytes) -> None:
        head_starts_here = self.request is None
        self.begun = 0
        rest = data
        while rest:
            try:
                self._parser.feed_data(rest)
                break
            except httptools.HttpParserUpgrade as upgrade:
                rest = self._ignore_upgrade(rest[upgrade.args[0] :])
        alone = self.begun == int(head_starts_here)
        if alone and self.request is not None and not self._head_done:
            # A header that never ends reaches no callback, so what was fed is counted too.
            self._head_fed += len(data)
            self._limit_head(self._head_fed)

    def _ignore_upgrade(self, rest: bytes) -> bytes:
        """Go on with HTTP/1.1, as a server may; the parser stopped before the body, so a new one reads it.

        Return what to feed it with.
        """
        request = self.request
        if request is None:
            return b""
        head = b"POST / HTTP/1.1\r\n"
        for name in (b"content-length", b"transfer-encoding"):
            if name in request.headers:
                head += b"%b: %b\r\n" % (name, request.headers[name])
        if request.method == b"CONNECT" or b"close" in request.headers.get(b"connection", b"").lower():
            head += b"connection: close\r\n"
        self._parser = httptools.HttpRequestParser(self)
        self._replaying = True
        return head + b"\r\n" + rest

    # What the parser calls

    def on_message_begin(self) -> None:
        if self._replaying:
            return
        self.begun += 1
        self.request = Request(self._connection, {})
        self._chunks = []
        self._head_size = self._head_fed = self._body_size = 0
        self._head_done = False
        self._connection.deadline = self._connection.now + self._limits.head

    def on_url(self, part: bytes) -> None:
        if self.request is not None and not self._replaying:
            self.request.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_size += len(name) + len(value)
        if self._head_size > self._limits.head_bytes:
            self._limit_head(self._head_size)
        request = self.request
        if request is not None and not self._head_done:
            request.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        if self._replaying:
            self._replaying = False
            return
        request = self.request
        if request is None:
            return
        self._head_done = True
        self._count_head(len(request.target))
        request.method = self._parser.get_method()
        request.is_http_1_0 = self._parser.get_http_version() == "1.0"
        self._announce_body(request)
        self._connection.deadline = self._connection.now + self._limits.body

    def on_body(self, chunk: bytes) -> None:
        self._body_size += len(chunk)
        if self._body_size > self._limits.body_bytes:
            raise self._too_large()
        self._chunks.append(chunk)
        self._connection.deadline += len(chunk) / self._limits.body_rate

    def on_message_complete(self) -> None:
        request = self.request
        if request is None or self._parser.should_upgrade():
            return
        self.request = None
        self.completed += 1
        request.body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        request.keep_alive = self._parser.should_keep_alive()
        self._chunks = []
        self._connection.take(request)

    # Limits

    def _announce_body(self, request: Request) -> None:
        length = request.headers.get(b"content-length", b"0")
        size = int(length[:20]) if length.isdigit() else 0
        if size > self._limits.body_bytes:
            raise self._too_large()
        if size >= LARGE_BODY:
            keep_freed_memory()
        # A client of HTTP/1.0 would take the 100 for its answer.
        if request.headers.get(b"expect", b"").lower() == b"100-continue" and not request.is_http_1_0:
            self._connection.go_on()

    def _count_head(self, size: int) -> None:
        self._head_size += size
        self._limit_head(self._head_size)

    def _limit_head(self, size: int) -> None:
        limit = self._limits.head_bytes
        if size > limit:
            raise Refusal(
                431, "HeadersTooLarge", f"The request's headers are over {limit} bytes; send fewer."
            )

    def _too_large(self) -> Refusal:
        limit = self._limits.body_bytes
        return Refusal(413, "BodyTooLarge", f"The body is over {limit} bytes; send fewer rows per request.")
