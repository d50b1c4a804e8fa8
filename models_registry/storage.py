"""The content-addressed store: streams bytes in while hashing them, keeps them once per sha256."""

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from models_registry.models import Blob

CHUNK = 1024 * 1024


class StorageError(Exception):
    """The bytes were not kept; the text says why and what to do."""

    code = "upload_failed"


class TooLarge(StorageError):
    code = "too_large"


class Incomplete(StorageError):
    code = "incomplete_upload"


class WrongHash(StorageError):
    code = "wrong_hash"


class StorageFull(StorageError):
    code = "storage_full"


def receive(chunks: Iterable[bytes], *, size: int | None = None, sha256: str | None = None) -> Blob:
    """Keep a stream of bytes and return its Blob.

    `size` and `sha256` are what the sender announced; a stream that differs leaves nothing behind.
    """
    folder = _folder()
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix="incoming-", delete=False) as file:
            try:
                blob = _write(file, chunks)
                _check(blob, size, sha256)
                file.flush()
                os.fsync(file.fileno())
                return _keep(blob, Path(file.name))
            finally:
                Path(file.name).unlink(missing_ok=True)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StorageFull("The platform's disk is full; ask its administrator to make room.") from error
        raise


def path_of(sha256: str) -> Path:
    return _folder() / sha256[:2] / sha256


def read(blob: Blob) -> Iterator[bytes]:
    with path_of(blob.sha256).open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def sweep(unreferenced: Iterable[Blob]) -> int:
    """Delete blobs nothing refers to; the file goes while the row is locked, so a new sender waits."""
    count = 0
    for blob in unreferenced:
        with transaction.atomic():
            if Blob.objects.filter(pk=blob.pk, touched_at=blob.touched_at).delete()[0]:
                path_of(blob.sha256).unlink(missing_ok=True)
                count += 1
    return count


def _write(file: "tempfile._TemporaryFileWrapper[bytes]", chunks: Iterable[bytes]) -> Blob:
    hasher = hashlib.sha256()
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > settings.MAX_UPLOAD_BYTES:
            raise TooLarge(f"A file may have at most {settings.MAX_UPLOAD_BYTES // 1024**2} MB.")
        hasher.update(chunk)
        file.write(chunk)
    return Blob(sha256=hasher.hexdigest(), size=size)


def _check(blob: Blob, size: int | None, sha256: str | None) -> None:
    if size is not None and blob.size != size:
        raise Incomplete(f"{blob.size} of {size} announced bytes arrived; send the file again.")
    if sha256 is not None and blob.sha256 != sha256.lower():
        raise WrongHash("The bytes that arrived do not have the announced sha256; send the file again.")


def _keep(blob: Blob, incoming: Path) -> Blob:
    """The row first, then the file under its name: a sweep between the two cannot take the file away."""
    Blob.objects.update_or_create(
        sha256=blob.sha256, defaults={"touched_at": timezone.now()}, create_defaults={"size": blob.size}
    )
    target = path_of(blob.sha256)
    target.parent.mkdir(exist_ok=True)
    incoming.chmod(0o444)
    incoming.replace(target)
    return blob


def _folder() -> Path:
    folder: Path = settings.BLOB_DIR
    folder.mkdir(parents=True, exist_ok=True)
    return folder
