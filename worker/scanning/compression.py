"""Unpacks gzip, bzip2, xz, zlib and LZ4 into a temporary file, piece by piece and never beyond the budget."""

import bz2
import contextlib
import lzma
import tempfile
import zlib
from collections.abc import Callable, Iterator
from importlib import import_module
from io import SEEK_END
from typing import Any, BinaryIO

from worker.scanning.budget import Budget

PIECE = 256 * 1024
MOST_AT_ONCE = 4 * 1024 * 1024
ZFILE_HEAD = 21
FAULTS = (OSError, ValueError, EOFError, zlib.error, lzma.LZMAError, RuntimeError)


class NotUnpacked(Exception):
    """The packed bytes are broken, or of a kind that is not read here; the text says which."""


def name(head: bytes) -> str | None:
    """The compression that a file begins with."""
    for magic, found in MAGIC.items():
        if head.startswith(magic):
            return found
    is_zlib = (
        len(head) > 1 and head[0] & 0x0F == 8 and head[0] >> 4 <= 7 and int.from_bytes(head[:2]) % 31 == 0
    )
    return "zlib" if is_zlib and head[0] == 0x78 else None


@contextlib.contextmanager
def unpacked(file: BinaryIO, how: str, budget: Budget) -> Iterator[tuple[BinaryIO, int]]:
    """The unpacked bytes, and how many bytes follow the packed ones; raises NotUnpacked or TooMuch."""
    with tempfile.TemporaryFile() as target:
        rest = _unpack(file, target, how, budget)
        target.seek(0)
        yield target, rest


def _unpack(file: BinaryIO, target: BinaryIO, how: str, budget: Budget) -> int:
    size = file.seek(0, SEEK_END)
    file.seek(ZFILE_HEAD if how == "zfile" else 0)
    pending, written, is_first = b"", 0, True
    while True:
        engine = _engine(how)
        pending, count = _one_member(file, target, _Feed(engine, pending), (budget, size, written))
        if not count and not is_first and not engine.eof:
            return size - file.tell() + len(pending)
        written, is_first = written + count, False
        if not pending and file.tell() >= size:
            return 0
        if how not in {"gzip", "bzip2", "xz"} or not _begins_again(file, how, pending):
            return size - file.tell() + len(pending)


class _Feed:
    """One decompressor with the bytes it is given first."""

    def __init__(self, engine: Any, pending: bytes) -> None:
        self.engine, self.pending = engine, pending


def _one_member(
    file: BinaryIO, target: BinaryIO, feed: _Feed, spent: tuple[Budget, int, int]
) -> tuple[bytes, int]:
    """Unpack one member; return the bytes behind it that were read already, and how many were written."""
    budget, size, already = spent
    engine, data, written = feed.engine, feed.pending, 0
    while not engine.eof:
        if not data and getattr(engine, "needs_input", True) and not (data := file.read(PIECE)):
            raise NotUnpacked("Its compressed data breaks off.")
        try:
            piece = engine.decompress(data, MOST_AT_ONCE)
        except FAULTS as error:
            raise NotUnpacked(f"Its compressed data is broken ({error}).") from None
        data = getattr(engine, "unconsumed_tail", b"")
        budget.spend(len(piece), packed=size, already=already + written)
        target.write(piece)
        written += len(piece)
    return engine.unused_data or b"", written


def _begins_again(file: BinaryIO, how: str, pending: bytes) -> bool:
    here = file.tell()
    head = (pending + file.read(8))[:8]
    file.seek(here)
    return name(head) == how


def _engine(how: str) -> Any:
    make = ENGINES.get(how)
    if make is None:
        raise NotUnpacked(f"It is packed with {how}, which is not read here.")
    return make()


def _lz4() -> Any:
    """LZ4 is not in Python; where its package is absent the file stays unread, and the report says so."""
    try:
        return import_module("lz4.frame").LZ4FrameDecompressor()
    except ImportError:
        raise NotUnpacked(
            "It is packed with LZ4, and the platform lacks the package lz4 to read it."
        ) from None


MAGIC = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"]\x00\x00": "lzma",
    b"\x04\x22\x4d\x18": "LZ4",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"ZF0x": "zfile",
}
ENGINES: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(zlib.MAX_WBITS | 16),
    "zlib": zlib.decompressobj,
    "zfile": zlib.decompressobj,
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=512 * 1024**2),
    "lzma": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=512 * 1024**2),
    "LZ4": _lz4,
}
