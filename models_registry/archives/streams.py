"""The bytes inside a compressed file, a bounded amount at a time and counted against the limits."""

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import BinaryIO, Protocol

from models_registry.archives.limits import Limits
from models_registry.errors import BadArchive

CHUNK = 256 * 1024
MOST_MEMBERS = 50_000  # 20 GB packed in parallel has about 23,000
XZ_MEMORY_BYTES = 128 * 1024 * 1024  # what the largest preset, -9, needs


class Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class Gunzip:
    """zlib with the interface of the other two."""

    def __init__(self) -> None:
        self.inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self.inflate.eof

    @property
    def needs_input(self) -> bool:
        return not self.inflate.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self.inflate.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self.inflate.decompress(self.inflate.unconsumed_tail + data, max_length)


KINDS: dict[bytes, Callable[[], Decompressor]] = {
    b"\x1f\x8b": Gunzip,
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\0": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY_BYTES),
}


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Inflated:
    """What a compressed file holds, its members one after the other."""

    def __init__(self, source: BinaryIO, make: Callable[[], Decompressor]) -> None:
        self.source = source
        self.make = make
        self.decompressor = make()
        self.members = 1
        self.waiting = b""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        while True:
            if self.decompressor.eof:
                self.waiting = self.decompressor.unused_data or self.source.read(CHUNK)
                if not self.waiting.strip(b"\0"):
                    return b""
                self._begin_member()
            elif self.decompressor.needs_input:
                self.waiting = self.source.read(CHUNK)
                if not self.waiting:
                    raise EOFError("it ends too early")
            given, self.waiting = self.waiting, b""
            if data := self.decompressor.decompress(given, size):
                return data

    def _begin_member(self) -> None:
        self.members += 1
        if self.members > MOST_MEMBERS:
            raise BadArchive(
                f"The archive is compressed in more than {MOST_MEMBERS} separate pieces; compress it in one go."
            )
        self.decompressor = self.make()


class Counted:
    """`read` for a file that may be compressed; every byte that comes out is counted."""

    def __init__(self, source: BinaryIO, packed: int, limits: Limits) -> None:
        start = source.read(8)
        source.seek(0)
        make = next((make for magic, make in KINDS.items() if start.startswith(magic)), None)
        self.stream: Readable = Inflated(source, make) if make else source
        self.packed, self.limits = packed, limits
        self.total = 0

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end."""
        try:
            data = self.stream.read(size)
        except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
            raise BadArchive(f"The archive is damaged ({error}); pack it again.") from error
        self.total += len(data)
        self.limits.refuse_total(self.total, self.packed)
        return data
