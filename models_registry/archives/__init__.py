"""Unpacks archives that users send, entry by entry, refusing whatever could hurt.

Taken: zip (stored or deflated), tar, tar.gz, tar.bz2, tar.xz. Refused, each with a sentence: names that are absolute,
hold `..`, backslashes or a drive; links, devices, pipes, sparse files; names that come twice or differ only in case
or in how a letter is spelled; a file that is a folder too; encrypted, overlapping or lying entries; more entries,
bytes, depth, or a higher ratio than the settings allow. An archive inside an archive is a file like any other.
Folders come out as they are, a single one at the top included; empty ones and `__MACOSX/` are left out.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from models_registry.archives import tars, zips
from models_registry.archives.entries import Entry
from models_registry.archives.limits import Limits
from models_registry.errors import BadArchive

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")


def is_archive(name: str) -> bool:
    """Whether a file of this name can be unpacked."""
    return name.lower().endswith(ENDINGS)


def unpack(source: BinaryIO, name: str, add: Callable[[str, Iterable[bytes]], object]) -> int:
    """Give every file of the archive to `add(path, pieces)`, which must read the pieces; return how many.

    `source` is seekable. Raises BadArchive or BadPath, possibly after some calls of `add`:
    `models_registry.unpacking` builds all or nothing on it and is what services call.
    """
    count = 0
    for entry in _entries(source, name):
        add(entry.path, entry.pieces)
        for _ in entry.pieces:
            pass
        count += 1
    if not count:
        raise BadArchive(f"{name} holds no files.")
    return count


def _entries(source: BinaryIO, name: str) -> Iterator[Entry]:
    if not is_archive(name):
        raise BadArchive(f"{name} cannot be unpacked; send .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz.")
    limits = Limits.of_settings()
    packed = source.seek(0, os.SEEK_END)
    source.seek(0)
    is_zip = source.read(4) in ZIP_STARTS
    source.seek(0)
    return zips.entries(source, packed, limits) if is_zip else tars.entries(source, packed, limits)
