"""The sparse file that chunks are gathered in, and the nameless one that each chunk is received in."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO
from uuid import UUID, uuid4

from django.conf import settings

from models_registry import storage

SUFFIX = ".part"


@dataclass(frozen=True)
class Received:
    """Bytes that arrived, not yet at their place."""

    bytes: IO[bytes]
    size: int
    sha256: str


@contextlib.contextmanager
def received(pieces: Iterable[bytes], *, most: int) -> Iterator[Received]:
    """Take in the pieces, at most one byte more than `most`. The kernel forgets them if we die."""
    with full_disk_named(), tempfile.TemporaryFile(dir=_folder()) as file:
        hasher, size = hashlib.sha256(), 0
        for piece in pieces:
            kept = piece[: most + 1 - size]
            hasher.update(kept)
            file.write(kept)
            size += len(kept)
            if size > most:
                break
        file.flush()
        file.seek(0)
        yield Received(file, size, hasher.hexdigest())


@contextlib.contextmanager
def locked(file_id: UUID) -> Iterator[BinaryIO]:
    """The gathered file, for one holder at a time among all processes."""
    path = path_of(file_id)
    while True:
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_still_at(path, file):
                yield file
                return


def place(chunk: Received, file: BinaryIO, offset: int) -> None:
    file.seek(offset)
    while piece := chunk.bytes.read(storage.CHUNK):
        file.write(piece)
    file.flush()


@contextlib.contextmanager
def second_name(file_id: UUID) -> Iterator[Path]:
    """The gathered file for the store to take away; its own name stays, and with it the lock on it."""
    path = path_of(uuid4())
    try:
        os.link(path_of(file_id), path)
    except OSError:  # a disk without links
        shutil.copyfile(path_of(file_id), path)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def refill(file_id: UUID, pieces: Iterable[bytes]) -> None:
    """Gather the bytes anew: those that the store has taken must not change."""
    aside = path_of(uuid4())
    with aside.open("xb") as file:
        file.writelines(pieces)
    aside.replace(path_of(file_id))


def path_of(file_id: UUID) -> Path:
    return _folder() / f"{file_id}{SUFFIX}"


def remove(file_id: UUID) -> None:
    path_of(file_id).unlink(missing_ok=True)


def all_ids() -> Iterator[UUID]:
    for path in _folder().glob(f"*{SUFFIX}"):
        with contextlib.suppress(ValueError):
            yield UUID(path.name.removesuffix(SUFFIX))


@contextlib.contextmanager
def full_disk_named() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in storage.FULL:
            raise storage.StorageFull(
                "The platform's disk is full; ask its administrator to make room, then go on."
            ) from error
        raise


def _is_still_at(path: Path, file: BinaryIO) -> bool:
    """False if it was moved away, into the store, while we waited for it: its bytes must not change now."""
    try:
        return path.stat().st_ino == os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False


def _folder() -> Path:
    folder: Path = settings.FILE_UPLOAD_TEMP_DIR
    folder.mkdir(parents=True, exist_ok=True)
    return folder
