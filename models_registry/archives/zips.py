"""Reads zip archives: the directory is judged whole before any byte is unpacked, then each entry against it."""

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import BinaryIO, cast

from models_registry.archives.entries import Entry, Names
from models_registry.archives.limits import Limits
from models_registry.errors import BadArchive

CHUNK = 1024 * 1024
LOCAL = struct.Struct("<4s5H3L2H")
ENCRYPTED = 0x1 | 0x40
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
DIRECTORY_BYTES_PER_ENTRY = 512


def entries(source: BinaryIO, packed: int, limits: Limits) -> Iterator[Entry]:
    try:
        with zipfile.ZipFile(cast(BinaryIO, _Bounded(source, packed, limits))) as archive:
            infos, end = archive.infolist(), archive.start_dir
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise BadArchive(f"The zip is damaged ({error}); pack it again.") from error
    limits.refuse_total(sum(info.file_size for info in infos), packed)
    names = Names(limits)
    paths = [_path(info, names) for info in infos]
    starts = _starts(source, infos, end)
    for info, path, start in zip(infos, paths, starts, strict=True):
        if path is not None:
            limits.refuse_entry(path, info.file_size)
            yield Entry(path, _content(source, info, start))


class _Bounded:
    """The archive for zipfile, which reads a directory of any size at once and makes an object of each entry."""

    def __init__(self, source: BinaryIO, packed: int, limits: Limits) -> None:
        self.source = source
        self.packed = packed
        self.most = max(limits.files * DIRECTORY_BYTES_PER_ENTRY, CHUNK)
        self.seek = source.seek
        self.tell = source.tell

    def read(self, size: int = -1) -> bytes:
        size = self.packed - self.tell() if size < 0 else size
        if size > self.most:
            raise BadArchive("The zip has too many entries; send it in parts.")
        return self.source.read(size)


def _path(info: zipfile.ZipInfo, names: Names) -> str | None:
    """The path of a file, or None for a folder; anything else is refused."""
    name = info.orig_filename
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise BadArchive(f"{name!r} is a link or a device; only files and folders can be unpacked.")
    if info.flag_bits & ENCRYPTED:
        raise BadArchive(f"{name!r} is encrypted; pack the archive without a password.")
    if info.compress_type not in METHODS:
        raise BadArchive(f"{name!r} is packed in a way we do not know; pack the zip with “deflate”.")
    if not name.endswith("/"):
        return names.file(name)
    if info.file_size or kind == stat.S_IFREG:
        raise BadArchive(f"{name!r} is a file and a folder at once.")
    names.folder(name)
    return None


def _starts(source: BinaryIO, infos: list[zipfile.ZipInfo], end: int) -> list[int]:
    """Where the bytes of each entry begin; entries that share bytes are refused, as are headers that contradict."""
    starts = [_start(source, info) for info in infos]
    spans = sorted(
        (info.header_offset, start + info.compress_size) for info, start in zip(infos, starts, strict=True)
    )
    for (_, after), (before, _) in pairwise([*spans, (end, end)]):
        if after > before:
            raise BadArchive(
                "Entries of the zip overlap, as in an archive made to fill disks; pack it again."
            )
    return starts


def _start(source: BinaryIO, info: zipfile.ZipInfo) -> int:
    source.seek(max(0, info.header_offset))
    header = source.read(LOCAL.size)
    if info.header_offset < 0 or len(header) < LOCAL.size or header[:4] != b"PK\x03\x04":
        raise BadArchive(f"The zip has no entry where it says {info.filename!r} is; pack it again.")
    *_, name_length, extra_length = LOCAL.unpack(header)
    name = source.read(name_length).decode("utf-8" if info.flag_bits & 0x800 else "cp437", "replace")
    if name != info.orig_filename:
        raise BadArchive(f"The zip calls one entry {info.filename!r} and {name!r}; pack it again.")
    return int(info.header_offset + LOCAL.size + name_length + extra_length)


def _content(source: BinaryIO, info: zipfile.ZipInfo, start: int) -> Iterator[bytes]:
    """The entry's bytes, which must be as many and as checked as the directory says."""
    size = checksum = 0
    for piece in _unpacked(source, info, start):
        size += len(piece)
        checksum = zlib.crc32(piece, checksum)
        if size > info.file_size:
            break
        yield piece
    if (size, checksum) != (info.file_size, info.CRC):
        raise BadArchive(
            f"{info.filename!r} is not the {info.file_size} bytes the zip announces; pack it again."
        )


def _unpacked(source: BinaryIO, info: zipfile.ZipInfo, start: int) -> Iterator[bytes]:
    packed = _packed(source, start, info.compress_size)
    if info.compress_type == zipfile.ZIP_STORED:
        yield from packed
        return
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for piece in packed:
            yield inflate.decompress(piece, CHUNK)
            while inflate.unconsumed_tail:
                yield inflate.decompress(inflate.unconsumed_tail, CHUNK)
            if inflate.unused_data:
                break
        yield inflate.flush()
    except zlib.error as error:
        raise BadArchive(f"{info.filename!r} cannot be unpacked ({error}); pack it again.") from error
    if not inflate.eof or inflate.unused_data:
        raise BadArchive(f"{info.filename!r} does not end where the zip says; pack it again.")


def _packed(source: BinaryIO, position: int, left: int) -> Iterator[bytes]:
    while left:
        source.seek(position)
        piece = source.read(min(left, CHUNK))
        if not piece:
            raise BadArchive("The zip ends too early; send it again.")
        position += len(piece)
        left -= len(piece)
        yield piece
