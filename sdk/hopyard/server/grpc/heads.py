"""What the headers of a call say (gRPC over HTTP/2, "Requests"; RFC 9113, section 8)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from hopyard.server.bodies.headers import as_text
from hopyard.server.grpc.frames import Code, StreamFault
from hopyard.server.grpc.headers import Decoder, Field
from hopyard.server.replies import Problem

IDENTITY = b"identity"
ENCODINGS = (IDENTITY, b"gzip", b"deflate")
REMEMBERED = 64
REMEMBERED_BYTES = 2048
_CONTENT_TYPE = re.compile(rb"application/grpc(\+proto)?\s*(;.*)?", re.IGNORECASE).fullmatch
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+").fullmatch
_TIMEOUT = re.compile(rb"(\d{1,8})([HMSmun])").fullmatch
_SECONDS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_PSEUDO = frozenset({b":method", b":scheme", b":path", b":authority"})
_NEEDED = frozenset({b":method", b":scheme", b":path"})
_OF_HTTP_1 = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"})
_SPLIT = re.compile(rb"[\0\r\n]").search
_USUAL = frozenset(
    {*_PSEUDO, b"te", b"content-type", b"user-agent", b"grpc-accept-encoding", b"authorization"}
)
_RESERVED = frozenset({b"te", b"content-type", b"content-length"})


@dataclass(frozen=True, slots=True)
class Head:
    """The headers of one call. `metadata` is the caller's, as bytes for keys and as text for models.

    `timeout` is in seconds, None for none. `http_status` is not 0 where this is no gRPC at all, and `problem`
    not None where it is gRPC that cannot be answered.
    """

    path: bytes
    metadata: dict[bytes, bytes] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    timeout: float | None = None
    is_gzip: bool = False
    http_status: int = 0
    problem: Problem | None = None


class HeadReader:
    """Reads the header blocks of one connection.

    A client repeats itself: what a block means is kept under its bytes for as long as the dynamic table, on
    which that depends, stays as it is. A block of more than `limit` bytes, decoded, is a ConnectionFault.
    """

    def __init__(self, *, limit: int) -> None:
        self._decoder = Decoder(limit=limit)
        self._known: dict[bytes, Head] = {}
        self._changes = 0

    def read(self, block: bytes) -> Head:
        """Return the head of a call. Raises ConnectionFault and StreamFault."""
        head = self._known.get(block) if self._decoder.changes == self._changes else None
        return head or self._decode(block)

    def check_trailers(self, block: bytes) -> None:
        """Read fields that end a request; they mean nothing here. Raises ConnectionFault and StreamFault."""
        for name, value in self._decoder.decode(block):
            if not _is_field(name, value) or name in _PSEUDO:
                raise StreamFault(Code.PROTOCOL_ERROR)

    def _decode(self, block: bytes) -> Head:
        known, decoder = self._known, self._decoder
        head = read_head(decoder.decode(block))
        if decoder.changes != self._changes or len(known) >= REMEMBERED:
            known.clear()
        if decoder.changes == self._changes and len(block) <= REMEMBERED_BYTES:
            known[block] = head
        self._changes = decoder.changes
        return head


def read_head(fields: Iterable[Field]) -> Head:
    """Return what header fields mean. Raises StreamFault where they are no request."""
    found = _found(fields)
    if not found.keys() >= _NEEDED or found.get(b"te", b"trailers") != b"trailers":
        raise StreamFault(Code.PROTOCOL_ERROR)
    path = found[b":path"]
    if found[b":method"] != b"POST":
        return Head(path, http_status=405)
    if not _CONTENT_TYPE(found.get(b"content-type", b"")):
        return Head(path, http_status=415)
    metadata = {
        name: value
        for name, value in found.items()
        if name not in _PSEUDO and name not in _RESERVED and name[:5] != b"grpc-"
    }
    texts = as_text(metadata)
    encoding = found.get(b"grpc-encoding", IDENTITY)
    problem = None
    if encoding not in ENCODINGS:
        said = encoding[:40].decode("latin-1")
        problem = Problem(
            501, f"Messages compressed with {said} are not read here; use gzip, deflate or none."
        )
    timeout = None
    if b"grpc-timeout" in found and problem is None:
        timeout, problem = _timeout(found[b"grpc-timeout"])
    return Head(path, metadata, texts, timeout, encoding != IDENTITY, problem=problem)


def _found(fields: Iterable[Field]) -> dict[bytes, bytes]:
    """The fields by name; a repeated one is joined with commas, as HTTP reads it."""
    found: dict[bytes, bytes] = {}
    pseudo_may_come = True
    for name, value in fields:
        if not _is_field(name, value):
            raise StreamFault(Code.PROTOCOL_ERROR)
        if name in _PSEUDO:
            if not pseudo_may_come or name in found:
                raise StreamFault(Code.PROTOCOL_ERROR)
        else:
            pseudo_may_come = False
        found[name] = b"%b,%b" % (found[name], value) if name in found else value
    return found


def _is_field(name: bytes, value: bytes) -> bool:
    return (name in _USUAL or (_NAME(name) is not None and name not in _OF_HTTP_1)) and not _SPLIT(value)


def _timeout(text: bytes) -> tuple[float | None, Problem | None]:
    found = _TIMEOUT(text)
    if found is None:
        said = text[:40].decode("latin-1")
        return None, Problem(400, f"The grpc-timeout is {said}; send a number and one of H, M, S, m, u, n.")
    return int(found[1]) * _SECONDS[found[2]], None
