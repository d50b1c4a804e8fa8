"""Reads tar archives, compressed or not, from front to back.

Only the parsing of a single header is left to tarfile, whose own walk reads headers of any size into memory.
"""

import re
import tarfile
from collections.abc import Iterator
from typing import BinaryIO

from models_registry.archives.entries import Entry, Names
from models_registry.archives.limits import Limits
from models_registry.archives.streams import CHUNK, Counted
from models_registry.errors import BadArchive

BLOCK = tarfile.BLOCKSIZE
LONGEST_HEADER = 1024 * 1024
MOST_DESCRIPTIONS = 8
PAX_RECORD = re.compile(rb"(\d{1,9}) ([^=]{1,500})=")
FILES = {tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE}
LINKS = {tarfile.SYMTYPE, tarfile.LNKTYPE}
NAMES = {tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}
DESCRIPTIONS = {tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.XGLTYPE} | NAMES


def entries(source: BinaryIO, packed: int, limits: Limits) -> Iterator[Entry]:
    stream, names = Counted(source, packed, limits), Names(limits)
    said: dict[str, str] = {}
    described = 0
    while (header := _header(stream)) is not None:
        if header.type in DESCRIPTIONS:
            described += 1
            if described > MOST_DESCRIPTIONS:
                raise BadArchive("An entry of the archive has too many headers; pack it again.")
            said |= _description(stream, header)
            continue
        name, size = said.get("path", header.name), _size(said, header)
        said, described = {}, 0
        path = _path(header, name, size, names)
        content = _content(stream, size, name)
        if path is not None:
            limits.refuse_entry(path, size)
            yield Entry(path, content)
        for _ in content:  # of what is left out, or was not read
            pass
        _exactly(stream, -size % BLOCK)
    while stream.read(CHUNK):  # to where the compression keeps its checksum
        pass


def _header(stream: Counted) -> tarfile.TarInfo | None:
    """The next header, or None at the end."""
    block = _exactly(stream, BLOCK)
    if not block.strip(b"\0"):
        return None
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError) as error:
        raise BadArchive(
            f"This is no zip and no tar we can read ({error}); send .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz."
        ) from error


def _path(header: tarfile.TarInfo, name: str, size: int, names: Names) -> str | None:
    """The path of a file, or None for a folder; anything else is refused."""
    if header.type in LINKS:
        raise BadArchive(
            f"{name!r} is a link; pack the file it points to (tar --dereference --hard-dereference)."
        )
    if header.type == tarfile.DIRTYPE:
        if size:
            raise BadArchive(f"{name!r} is a file and a folder at once.")
        names.folder(name)
        return None
    if header.type not in FILES:
        raise BadArchive(f"{name!r} is a device, a pipe or sparse; only files and folders can be unpacked.")
    return names.file(name)


def _description(stream: Counted, header: tarfile.TarInfo) -> dict[str, str]:
    """What an extended header says of the entry after it."""
    if not 0 <= header.size <= LONGEST_HEADER:
        raise BadArchive("The archive has a header of an absurd size; pack it again.")
    data = _exactly(stream, header.size)
    _exactly(stream, -header.size % BLOCK)
    if header.type == tarfile.GNUTYPE_LONGNAME:
        return {"path": data.rstrip(b"\0").decode("utf-8", "surrogateescape")}
    if header.type == tarfile.GNUTYPE_LONGLINK:
        return {}
    said = dict(_records(data))
    if any(key.startswith("GNU.sparse") for key in said):
        raise BadArchive("The archive holds a sparse file; pack it without --sparse.")
    if header.type == tarfile.XGLTYPE and said.keys() & {"path", "size"}:
        raise BadArchive("The archive gives all its entries one name or size; pack it again.")
    return {key: said[key] for key in said.keys() & {"path", "size"}}


def _records(data: bytes) -> Iterator[tuple[str, str]]:
    """The `<length> <key>=<value>` lines of a pax header."""
    at = 0
    while at < len(data) and data[at]:
        match = PAX_RECORD.match(data, at)
        end = at + int(match[1]) if match else 0
        if match is None or not match.end() < end <= len(data) or data[end - 1] != ord("\n"):
            raise BadArchive("A header of the archive is damaged; pack it again.")
        yield (
            match[2].decode("utf-8", "replace"),
            data[match.end() : end - 1].decode("utf-8", "surrogateescape"),
        )
        at = end


def _size(said: dict[str, str], header: tarfile.TarInfo) -> int:
    text = said.get("size", str(header.size))
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise BadArchive(f"{header.name!r} has the size {text[:30]!r}; pack it again.")
    return int(text)


def _content(stream: Counted, size: int, name: str) -> Iterator[bytes]:
    while size:
        piece = stream.read(min(size, CHUNK))
        if not piece:
            raise BadArchive(f"The archive ends within {name!r}; send it again.")
        size -= len(piece)
        yield piece


def _exactly(stream: Counted, size: int) -> bytes:
    pieces = list(_content(stream, size, "a header"))
    return b"".join(pieces)
