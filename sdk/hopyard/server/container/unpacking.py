"""Unpacks a tar as it comes, into folders of known names: regular files and folders, inside, and no more than fits."""

import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Protocol, cast

from hopyard.server.failures import Failure

CHUNK_BYTES = 1024 * 1024
MOST_FILES = 100_000


class Torn(Exception):
    """The bytes end before the tar does, or are none."""


class Source(Protocol):
    def read(self, size: int) -> bytes: ...


def unpack(source: Source, folders: Mapping[str, Path]) -> tuple[int, int]:
    """Write each member below the folder that the first part of its name stands for; return how many files and bytes.
    Raises Torn, Failure FilesWithheld for a member that may not be, and FilesNotLaidOut where they do not fit.
    """
    count = size = 0
    try:
        with tarfile.open(fileobj=cast(IO[bytes], source), mode="r|", bufsize=CHUNK_BYTES) as archive:
            for member in archive:
                path = _place(member, folders)
                if member.isdir():
                    _made(path)
                    continue
                count, size = count + 1, size + member.size
                _check_room(path, member, count)
                _write(archive, member, path)
    except tarfile.TarError as error:
        raise Torn(f"what came is no whole tar ({error})") from None
    if not count:
        raise Torn("what came is empty")
    return count, size


def _place(member: tarfile.TarInfo, folders: Mapping[str, Path]) -> Path:
    path = PurePosixPath(member.name)
    if not (member.isreg() or member.isdir()):
        raise _refused(member, "is neither a file nor a folder")
    if path.is_absolute() or ".." in path.parts or "\0" in member.name or not path.parts:
        raise _refused(member, "lies outside of it")
    if path.parts[0] not in folders or (len(path.parts) == 1 and not member.isdir()):
        raise _refused(member, f"belongs in none of {', '.join(folders)}")
    return folders[path.parts[0]].joinpath(*path.parts[1:])


def _check_room(path: Path, member: tarfile.TarInfo, count: int) -> None:
    """Before it is written: a disk that is full would only be known afterwards, and memory is one here."""
    if count > MOST_FILES:
        raise _refused(member, f"is one more than {MOST_FILES:,} files")
    _made(path.parent)
    free = shutil.disk_usage(path.parent).free
    if member.size > free:
        raise _unfit(f"{member.name} has {member.size:,} bytes, and {free:,} are free")


def _made(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unfit(f"{folder.name} cannot be made ({error.strerror})") from None


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    source = archive.extractfile(member)
    assert source is not None  # it is a regular file
    try:
        target = path.open("xb")
    except OSError as error:  # twice the same name is one of the reasons
        raise _unfit(f"{member.name} cannot be written ({error.strerror})") from None
    with target:
        left = member.size
        while left:
            chunk = source.read(min(left, CHUNK_BYTES))
            if not chunk:
                raise Torn(f"it ended within {member.name}")
            left -= len(chunk)
            try:
                target.write(chunk)
            except OSError as error:
                raise _unfit(f"{member.name} cannot be written ({error.strerror})") from None


def _refused(member: tarfile.TarInfo, why: str) -> Failure:
    return Failure(
        "FilesWithheld",
        f"The tar of the replica's files holds {member.name!r}, which {why}; nothing was started. See whether the "
        "address of the files is the platform's own.",
    )


def _unfit(why: str) -> Failure:
    reason = f"The replica's files do not fit into the container: {why}; give the serving more memory."
    return Failure("FilesNotLaidOut", reason)
