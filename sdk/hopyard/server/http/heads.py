"""Request heads that were parsed before. A client that keeps asking sends the same bytes each time.

A head is only known after the HTTP parser has taken the very same bytes as one whole request, so a known
one means what it meant then.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hopyard.server.http.requests import Request

KNOWN_HEAD_BYTES = 2048
KNOWN_HEADS = 256
_DIFFERS_EACH_TIME = {b"x-request-id", b"traceparent", b"mlrun-event-id", b"ce-id", b"x-b3-traceid"}
_NOT_PLAIN = {b"transfer-encoding", b"expect", b"upgrade"}
_NOT_KNOWABLE = _DIFFERS_EACH_TIME | _NOT_PLAIN


@dataclass(frozen=True, slots=True)
class KnownHead:
    """What a head was parsed to, and how long the body is that it announces. Nobody changes `headers`."""

    target: bytes
    headers: dict[bytes, bytes]
    length: int


class Heads(dict[bytes, KnownHead]):
    """Known heads by their bytes, without the empty line that ends them."""

    def learn(self, data: bytes, request: "Request") -> None:
        """Remember the head of `data` if it is that of a plain request, as most are, and of no other."""
        headers = request.headers
        if not _NOT_KNOWABLE.isdisjoint(headers):
            return
        if request.method != b"POST" or request.is_http_1_0 or not request.keep_alive or request.refusal:
            return
        length = headers.get(b"content-length", b"")
        if not length.isdigit():
            return
        if headers.get(b"connection", b"keep-alive").lower() != b"keep-alive":
            return
        end = data.find(b"\r\n\r\n", 0, KNOWN_HEAD_BYTES)
        if end <= 0 or len(data) - end - 4 != int(length) or not data.startswith(b"POST "):
            return
        if len(self) >= KNOWN_HEADS:
            self.clear()
        self[data[:end]] = KnownHead(request.target, headers, int(length))
