"""The content-addressed store: streams bytes in while hashing them, keeps them once per sha256.

The bytes lie in Django's storage `blobs`, a directory or a bucket. What arrives is gathered in a local file first,
so that nothing half-written is ever seen.
"""

import contextlib
import errno
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, BinaryIO, cast

from django.conf import settings
from django.core.files import File
from django.core.files.storage import storages
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.http import UnreadablePostError
from django.utils import timezone

from models_registry.models import Blob

log = logging.getLogger(__name__)

CHUNK = 1024 * 1024
LOOK_EVERY = 64 * CHUNK
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class StorageError(Exception):
    """The bytes were not kept; the text says why and what to do."""

    code = "upload_failed"
    status = 400


class TooLarge(StorageError):
    code = "too_large"
    status = 413


class Incomplete(StorageError):
    code = "incomplete_upload"


class WrongHash(StorageError):
    code = "wrong_hash"


class StorageFull(StorageError):
    code = "storage_full"
    status = 507


class StorageAway(StorageError):
    code = "storage_unavailable"
    status = 503


def receive(chunks: Iterable[bytes], *, size: int | None = None, sha256: str | None = None) -> Blob:
    """Keep a stream of bytes and return its Blob.

    `size` and `sha256` are what the sender announced; a stream that differs leaves nothing behind.
    """
    return keep(chunks, size=size, sha256=sha256)[0]


def keep(
    chunks: Iterable[bytes], *, size: int | None = None, sha256: str | None = None
) -> tuple[Blob, datetime | None]:
    """`receive`, which also tells when the same bytes came last before, or None if they are new."""
    with _named_failures():
        require_room(size or 0)
        with tempfile.NamedTemporaryFile(dir=_folder(), prefix="incoming-", delete=False) as file:
            try:
                blob = _write(file, chunks)
                _check(blob, size, sha256)
                file.flush()
                os.fsync(file.fileno())
                return _put(blob, Path(file.name))
            finally:
                Path(file.name).unlink(missing_ok=True)


def adopt(path: Path, *, sha256: str, size: int) -> tuple[Blob, datetime | None]:
    """`keep` for a local file whose digest was just taken. A store on the same disk moves it instead of copying."""
    with _named_failures():
        with path.open("rb") as file:
            os.fsync(file.fileno())
        return _put(Blob(sha256=sha256, size=size), path)


def open(sha256: str) -> BinaryIO:  # noqa: A001 - it is what it does
    """The bytes, to be read and sought in; raises OSError, FileNotFoundError if they are not there."""
    return cast(BinaryIO, storages["blobs"].open(_name(sha256), "rb").file)


def read(blob: Blob) -> Iterator[bytes]:
    with open(blob.sha256) as file:
        while chunk := file.read(CHUNK):
            yield chunk


def forget(blob: Blob) -> None:
    """Take back bytes that `keep` called new, unless somebody else has come to need them since."""
    _remove(blob)


def sweep(unreferenced: Iterable[Blob]) -> int:
    """Delete blobs nothing refers to, and return how many."""
    return sum(_remove(blob) for blob in unreferenced)


def require_room(more_bytes: int = 0) -> None:
    """Raise StorageFull unless the disk keeps its reserve with so much more on it."""
    reserve = settings.MIN_FREE_BYTES
    if reserve and shutil.disk_usage(_folder()).free - more_bytes < reserve:
        raise StorageFull(
            f"The platform's disk is too full: {reserve // 1024**2} MB of it are to stay free. "
            "Delete what nobody needs, or ask its administrator to make room."
        )


def _write(file: IO[bytes], chunks: Iterable[bytes]) -> Blob:
    hasher = hashlib.sha256()
    size = looked_at = 0
    for chunk in chunks:
        size += len(chunk)
        if size > settings.MAX_UPLOAD_BYTES:
            raise TooLarge(f"A file may have at most {settings.MAX_UPLOAD_BYTES // 1024**2} MB.")
        if size - looked_at > LOOK_EVERY:
            require_room()
            looked_at = size
        hasher.update(chunk)
        file.write(chunk)
    return Blob(sha256=hasher.hexdigest(), size=size)


def _check(blob: Blob, size: int | None, sha256: str | None) -> None:
    if size is not None and blob.size != size:
        raise Incomplete(f"{blob.size} of {size} announced bytes arrived; send the file again.")
    if sha256 is not None and blob.sha256 != sha256.lower():
        raise WrongHash("The bytes that arrived do not have the announced sha256; send the file again.")


def _put(blob: Blob, incoming: Path) -> tuple[Blob, datetime | None]:
    """The row first, then the bytes under their name: a sweep between the two cannot take the bytes away."""
    with transaction.atomic():
        rows = Blob.objects.select_for_update()
        row, is_new = rows.get_or_create(sha256=blob.sha256, defaults={"size": blob.size})
        before = None if is_new else row.touched_at
        row.touched_at = timezone.now()
        row.save(update_fields=["touched_at"])
    try:
        with incoming.open("rb") as file:
            storages["blobs"].save(_name(blob.sha256), _Gathered(file, incoming))
    except BaseException:
        if is_new:
            forget(row)
        raise
    return row, before


class _Gathered(File):  # type: ignore[type-arg]
    """A local file that a storage on the same disk takes by renaming, which is atomic, and any other by reading."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        super().__init__(file, name=path.name)
        self.path = path

    def temporary_file_path(self) -> str:
        return str(self.path)


def _remove(blob: Blob) -> bool:
    """Row and bytes go while the row is locked, so that a new sender of the same bytes waits, then brings them."""
    try:
        with transaction.atomic():
            deleted = Blob.objects.filter(pk=blob.pk, touched_at=blob.touched_at).delete()[0]
            if deleted:
                storages["blobs"].delete(_name(blob.sha256))
    except (ProtectedError, IntegrityError):  # something names it
        return False
    return bool(deleted)


@contextlib.contextmanager
def _named_failures() -> Iterator[None]:
    try:
        yield
    except UnreadablePostError:  # an OSError of the sender's
        raise
    except OSError as error:
        if error.errno in FULL:
            raise StorageFull("The platform's disk is full; ask its administrator to make room.") from error
        log.exception("The store did not take a file")
        raise StorageAway(
            "The platform's store did not take the file. Try again; if it stays so, tell the administrator."
        ) from error


def _name(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}"


def _folder() -> Path:
    folder: Path = settings.BLOB_DIR
    folder.mkdir(parents=True, exist_ok=True)
    return folder
