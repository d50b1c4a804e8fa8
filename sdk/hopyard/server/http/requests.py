"""One HTTP request and the way its answer goes back."""

import itertools
import logging
import re
import secrets
from typing import Any, Protocol

from hopyard.server.http.responses import JSON, answer, error_body, head
from hopyard.server.replies import Problem

INTERNAL = "The server failed on this request; its log has the cause."
_SANE_ID = re.compile(rb"[A-Za-z0-9._:+/=-]{1,128}").fullmatch

log = logging.getLogger(__name__)


class Refusal(Exception):
    """A request that is not worth reading to its end; its connection closes after the answer."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.sentence = sentence


class Sender(Protocol):
    """The connection a request came from."""

    def send(self, request: "Request", data: bytes) -> None: ...
    def send_part(self, request: "Request", data: bytes) -> None: ...
    def break_off(self, request: "Request") -> None: ...
    async def writable(self) -> None: ...
    def common_headers(self, request: "Request") -> bytes: ...
    def plain_answer(self, request: "Request", body: bytes) -> bytes: ...


class RequestIds:
    """Cheap and unique: a random start of this process, and a number."""

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(6).encode()
        self._numbers = itertools.count(1)

    def choose(self, given: bytes | None) -> bytes:
        """Keep the caller's id if it is harmless."""
        if given is not None and _SANE_ID(given):
            return given
        return b"%b-%x" % (self._prefix, next(self._numbers))


class Request:
    """What arrived. `abandoned` turns true when the client has gone; `notes` are those of the exchange that
    decodes it, for itself to encode with.
    """

    # Most requests leave most of these as they are, and a default of the class costs a request nothing.
    abandoned = False
    begun = False
    body = b""
    id = b""
    is_http_1_0 = False
    key_id: str | None = None  # only set on what a transformer asks its predictor
    keep_alive = True
    method = b""
    notes: Any = None
    refusal: Refusal | None = None
    target = b""
    _chunked = False

    def __init__(self, sender: Sender, headers: dict[bytes, bytes]) -> None:
        self.headers = headers
        self._sender = sender

    def respond(
        self, status: int, body: bytes, *, headers: bytes = b"", content_type: bytes | None = JSON
    ) -> None:
        """Answer once. A client that left gets nothing, and that is no error."""
        if self.abandoned:
            return
        sender = self._sender
        if status == 200 and content_type is JSON and self.keep_alive and not headers:
            data = sender.plain_answer(self, body)
        else:
            lines = sender.common_headers(self) + headers
            data = answer(status, body, headers=lines, content_type=content_type)
        if self.method == b"HEAD":
            data = data[: len(data) - len(body)]
        sender.send(self, data)

    def begin(self, status: int, *, headers: bytes = b"", content_type: bytes | None = JSON) -> None:
        """Begin an answer that comes in pieces. A client of HTTP/1.0 knows its end by the connection's."""
        self._chunked = not self.is_http_1_0
        if not self._chunked:
            self.keep_alive = False
        lines = self._sender.common_headers(self) + headers
        self.begun = True
        self._sender.send_part(self, head(status, lines, content_type=content_type, chunked=self._chunked))
        self._chunked = self._chunked and self.method != b"HEAD"

    async def write(self, data: bytes) -> None:
        """Send a piece, and wait while the client is slow to read."""
        if data and not self.abandoned and self.method != b"HEAD":
            piece = b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data
            self._sender.send_part(self, piece)
            await self._sender.writable()

    def end(self) -> None:
        """The answer that was begun is complete."""
        if not self.abandoned:
            self._sender.send(self, b"0\r\n\r\n" if self._chunked else b"")

    def break_off(self) -> None:
        """The answer that was begun cannot be completed; the client must see that."""
        if not self.abandoned:
            self._sender.break_off(self)

    def fail(self, status: int, code: str, sentence: str, *, headers: bytes = b"") -> None:
        """Answer with an error in the one shape all errors have."""
        self.respond(status, error_body(sentence, code, self.id), headers=headers)

    def refuse(self, problem: Problem) -> None:
        """Answer with a problem, in the shape its style gave it or else in ours."""
        retry = b"retry-after: 1\r\n" if problem.status == 503 else b""
        reply = problem.reply
        if reply is None:
            self.fail(problem.status, problem.code, problem.sentence, headers=retry)
        else:
            headers = retry + reply.headers
            self.respond(reply.status, reply.body, headers=headers, content_type=reply.content_type)

    def fail_inside(self) -> None:
        """Answer for an exception of this server that is being handled."""
        log.exception("A request failed inside the server [%s]", self.id.decode())
        self.fail(500, "Internal", INTERNAL)


class _Nobody:
    """Who sent a request that came over no connection."""

    def send(self, request: Request, data: bytes) -> None: ...
    def send_part(self, request: Request, data: bytes) -> None: ...
    def break_off(self, request: Request) -> None: ...
    def common_headers(self, request: Request) -> bytes:
        return b""

    def plain_answer(self, request: Request, body: bytes) -> bytes:
        return body

    async def writable(self) -> None: ...


NOBODY = _Nobody()
