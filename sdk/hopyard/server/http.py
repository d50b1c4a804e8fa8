"""HTTP/1.1 over one connection: bytes in, requests in order to the handler, one write per answer.

Pipelined requests are answered one after another. Limits and timeouts are those of `HttpLimits`; time is
read from the sweep in `Connections`, so that no request needs a timer of its own.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import cast

import httptools

from hopyard.server.connections import FOREVER, Connections
from hopyard.server.heads import KNOWN_HEAD_BYTES, KnownHead
from hopyard.server.limits import HttpLimits
from hopyard.server.requests import Refusal, Request, RequestIds
from hopyard.server.responses import answer

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
Handler = Callable[[Request], None]

log = logging.getLogger(__name__)


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
        self._parser = httptools.HttpRequestParser(self)
        self._reading: Request | None = None
        self._answering: Request | None = None
        self._waiting: deque[Request] = deque()
        self._chunks: list[bytes] = []
        self._begun = 0
        self._head_size = 0
        self._head_fed = 0
        self._body_size = 0
        self._head_done = False
        self._replaying = False
        self._advancing = False
        self._reading_paused = False
        self._deaf = False
        self._writable = True
        self._completed = 0
        self._heads = connections.heads
        self._resumed: asyncio.Future[None] | None = None

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        for request in (self._reading, self._answering, *self._waiting):
            if request is not None:
                request.abandoned = True
        self._waiting.clear()
        self._release()

    @property
    def idle(self) -> bool:
        return self._answering is None and self._reading is None and not self._waiting

    def close(self) -> None:
        self._transport.close()

    def expire(self) -> None:
        """The peer was too slow: say so if it was sending a request, otherwise just leave."""
        self.deadline = FOREVER
        if self._reading is not None and not self._deaf:
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
        self.deadline = self._connections.now + self._limits.write

    def resume_writing(self) -> None:
        self._writable = True
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
        if self._reading is None and self._first is None and not self._deaf and not self._replaying:
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
        completed, starts_here = self._completed, self._reading is None
        try:
            self._feed(data)
        except Refusal as refusal:
            self._refuse(refusal)
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            if not isinstance(cause, Refusal):
                log.error("A request could not be read", exc_info=cause)
                cause = Refusal(400, "MalformedRequest", "The request could not be read.")
            self._refuse(cause)
        except httptools.HttpParserError as error:
            self._refuse(Refusal(400, "MalformedRequest", f"This is not valid HTTP/1.1: {error}."))
        if self._waiting:
            if starts_here and self._completed == completed + 1 and self._begun == 1:
                self._heads.learn(data, self._waiting[-1])
            self._advance()

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

    def _feed(self, data: bytes) -> None:
        head_starts_here = self._reading is None
        self._begun = 0
        rest = data
        while rest:
            try:
                self._parser.feed_data(rest)
                break
            except httptools.HttpParserUpgrade as upgrade:
                rest = self._ignore_upgrade(rest[upgrade.args[0] :])
        alone = self._begun == int(head_starts_here)
        if alone and self._reading is not None and not self._head_done:
            # A header that never ends reaches no callback, so what was fed is counted too.
            self._head_fed += len(data)
            self._limit_head(self._head_fed)

    def on_message_begin(self) -> None:
        if self._replaying:
            return
        self._begun += 1
        self._reading = Request(self, {})
        self._chunks = []
        self._head_size = self._head_fed = self._body_size = 0
        self._head_done = False
        self.deadline = self._connections.now + self._limits.head

    def on_url(self, part: bytes) -> None:
        if self._reading is not None and not self._replaying:
            self._reading.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_head(len(name) + len(value))
        if self._reading is not None and not self._head_done:
            self._reading.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        if self._replaying:
            self._replaying = False
            return
        request = self._reading
        if request is None:
            return
        self._head_done = True
        self._count_head(len(request.target))
        request.method = self._parser.get_method()
        self._announce_body(request)
        self.deadline = self._connections.now + self._limits.body

    def on_body(self, chunk: bytes) -> None:
        self._body_size += len(chunk)
        if self._body_size > self._limits.body_bytes:
            raise self._too_large()
        self._chunks.append(chunk)
        self.deadline += len(chunk) / self._limits.body_rate

    def on_message_complete(self) -> None:
        request = self._reading
        if request is None or self._parser.should_upgrade():
            return
        self._reading = None
        self._completed += 1
        self.deadline = FOREVER
        request.is_http_1_0 = self._parser.get_http_version() == "1.0"
        request.body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        request.keep_alive = self._parser.should_keep_alive()
        self._chunks = []
        self._enqueue(request)

    def _announce_body(self, request: Request) -> None:
        length = request.headers.get(b"content-length", b"0")
        if length.isdigit() and int(length[:20]) > self._limits.body_bytes:
            raise self._too_large()
        expects = request.headers.get(b"expect", b"").lower() == b"100-continue"
        is_old = self._parser.get_http_version() == "1.0"  # and would take the 100 for its answer
        if expects and not is_old and self._answering is None and not self._waiting:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _ignore_upgrade(self, rest: bytes) -> bytes:
        """Go on with HTTP/1.1, as a server may; the parser stopped before the body, so a new one reads it.

        Return what to feed it with.
        """
        request = self._reading
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

    def _count_head(self, size: int) -> None:
        self._head_size += size
        self._limit_head(self._head_size)

    def _limit_head(self, size: int) -> None:
        if size > self._limits.head_bytes:
            limit = self._limits.head_bytes
            raise Refusal(
                431, "HeadersTooLarge", f"The request's headers are over {limit} bytes; send fewer."
            )

    def _too_large(self) -> Refusal:
        limit = self._limits.body_bytes
        return Refusal(413, "BodyTooLarge", f"The body is over {limit} bytes; send fewer rows per request.")

    def _refuse(self, refusal: Refusal) -> None:
        request = self._reading or Request(self, {})
        self._reading = None
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
        else:
            self._await_next()

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
        if self._reading is None and self._answering is None and self._writable:
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
