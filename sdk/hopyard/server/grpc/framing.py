"""gRPC's messages in a stream of bytes: a flag, a length of four bytes, and so many bytes (see "Length-Prefixed-
Message" in gRPC over HTTP/2)."""

import zlib
from struct import Struct

from hopyard.server.replies import Problem

PREFIX = Struct(">BL")
PREFIX_BYTES = PREFIX.size
_ANY_HEADER = 32 + zlib.MAX_WBITS  # of gzip, or of zlib, which gRPC calls deflate


class Inbox:
    """Gathers the bytes of one stream and gives out whole messages. `held` is how many bytes wait."""

    __slots__ = ("_limit", "_needed", "_parts", "held")

    def __init__(self, limit: int) -> None:
        self.held = 0
        self._limit = limit
        self._needed = PREFIX_BYTES
        self._parts: list[bytes] = []

    def put(self, part: bytes) -> list[tuple[bool, bytes]]:
        """Take what arrived; return the messages it completes, each with whether it is compressed.

        Raises Problem 413 for a message over the limit, as soon as its length is known.
        """
        self._parts.append(part)
        self.held += len(part)
        messages: list[tuple[bool, bytes]] = []
        while self.held >= self._needed:
            data = b"".join(self._parts) if len(self._parts) > 1 else self._parts[0]
            flag, length = PREFIX.unpack_from(data)
            self._needed = PREFIX_BYTES + length
            self._check(flag, length)
            if self.held >= self._needed:
                messages.append((flag == 1, data[PREFIX_BYTES : self._needed]))
                data = data[self._needed :]
                self._needed = PREFIX_BYTES
            self._parts = [data]
            self.held = len(data)
        return messages

    def _check(self, flag: int, length: int) -> None:
        if flag > 1:
            raise Problem(500, f"The message begins with {flag}; it is 0 or 1 in gRPC.")
        if length > self._limit:
            raise too_large(self._limit)


def too_large(limit: int) -> Problem:
    return Problem(413, f"The message is over {limit} bytes; send fewer rows per call.", "BodyTooLarge")


def unzipped(message: bytes, limit: int) -> bytes:
    """Return a gzip or deflate message as it was. Raises Problem: 400 for what is none, 413 beyond the limit."""
    reader = zlib.decompressobj(_ANY_HEADER)
    try:
        plain = reader.decompress(message, limit + 1)
    except zlib.error as error:
        raise Problem(400, f"The message is not compressed as its head says: {error}.", "BadBody") from None
    if len(plain) > limit:
        raise too_large(limit)
    if not reader.eof:
        raise Problem(400, "The compressed message ends too early.", "BadBody")
    return plain
