"""Makes a file of the project from chunks that are all there, after reading every byte once more."""

import contextlib
import hashlib
from collections.abc import Iterator
from typing import BinaryIO

from django.db import transaction

from accounts.access import Access
from models_registry import leftovers, quota, services, storage, unpacking
from models_registry.incoming import part_files, queries
from models_registry.incoming.errors import ChunksMissing
from models_registry.incoming.layout import runs
from models_registry.models import Blob, IncomingFile, ProjectFile


def complete(*, access: Access, file: IncomingFile) -> list[ProjectFile]:
    """Put the file into its draft or under Resources/, or what it holds if it is to be unpacked.

    Chunks that are missing can still be sent afterwards, and what found no room can be completed once there is some.
    Any other refusal ends the upload and leaves nothing.
    """
    with part_files.full_disk_named(), part_files.locked(file.pk) as whole:
        file = queries.incoming(access.project, file.pk)
        if missing := queries.missing(file):
            raise ChunksMissing(f"Chunks {runs(missing)} of {file} are missing; send them, then complete.")
        sha256 = _verified(file, whole)
        with _ending(file):
            _refuse_other_bytes(file, sha256)
            return _unpacked(access, file, whole) if file.unpack else [_kept(access, file, sha256)]


@contextlib.contextmanager
def _ending(file: IncomingFile) -> Iterator[None]:
    """Leave nothing of the upload behind, unless there was no place for it: it can be completed later."""
    try:
        yield
    except (quota.OverQuota, storage.StorageFull, storage.StorageAway, OSError):
        if not IncomingFile.objects.filter(pk=file.pk).exists():
            part_files.remove(file.pk)
        raise
    except BaseException:
        _forget(file)
        raise
    _forget(file)


def _forget(file: IncomingFile) -> None:
    IncomingFile.objects.filter(pk=file.pk).delete()
    part_files.remove(file.pk)


def _verified(file: IncomingFile, whole: BinaryIO) -> str:
    """The sha256 of all of it. Chunks whose bytes the disk lost are forgotten, to be sent again."""
    expected = dict(file.chunks.values_list("number", "sha256"))
    layout, hasher, damaged = queries.layout(file), hashlib.sha256(), []
    whole.seek(0)
    for number in range(layout.count):
        chunk_hasher = hashlib.sha256()
        for piece in _pieces(whole, layout.length(number)):
            hasher.update(piece)
            chunk_hasher.update(piece)
        if chunk_hasher.hexdigest() != expected[number]:
            damaged.append(number)
    if damaged:
        file.chunks.filter(number__in=damaged).delete()
        raise ChunksMissing(f"Chunks {runs(damaged)} of {file} were damaged here; send them again.")
    return hasher.hexdigest()


def _pieces(whole: BinaryIO, length: int) -> Iterator[bytes]:
    while length and (piece := whole.read(min(storage.CHUNK, length))):
        length -= len(piece)
        yield piece


def _refuse_other_bytes(file: IncomingFile, sha256: str) -> None:
    if file.sha256 and file.sha256 != sha256:
        raise storage.WrongHash(
            f"All chunks of {file} arrived, but they do not have the announced sha256: "
            "the file changed while it was sent. Send it again."
        )


def _kept(access: Access, file: IncomingFile, sha256: str) -> ProjectFile:
    quota.check_arrived(access.project, Blob(sha256=sha256, size=file.size))
    with part_files.second_name(file.pk) as path:
        blob, came_before = storage.adopt(path, sha256=sha256, size=file.size)
    try:
        return _named(access, file, blob)
    except quota.OverQuota:  # the room went between the look and the name
        part_files.refill(file.pk, storage.read(blob))
        leftovers.drop(access.project, blob, is_new=came_before is None)
        raise
    except BaseException:
        leftovers.drop(access.project, blob, is_new=came_before is None)
        raise


@transaction.atomic
def _named(access: Access, file: IncomingFile, blob: Blob) -> ProjectFile:
    IncomingFile.objects.filter(pk=file.pk).delete()  # what it reserved is the file's now
    if file.draft:
        return services.add_file(draft=file.draft, path=file.path, blob=blob)
    return services.save_file(access=access, path=file.path, blob=blob)[0]


def _unpacked(access: Access, file: IncomingFile, whole: BinaryIO) -> list[ProjectFile]:
    whole.seek(0)
    if file.draft:
        return unpacking.into_draft(draft=file.draft, source=whole, file=file)
    return unpacking.into_resources(access=access, source=whole, file=file)
