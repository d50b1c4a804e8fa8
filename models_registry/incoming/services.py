"""Receives a file in numbered chunks: in any order, several at once, each as often as it takes."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.access import Access
from models_registry import archives, paths, quota, services, storage
from models_registry.errors import BadArchive, NoSuchThing
from models_registry.incoming import part_files, queries
from models_registry.incoming.errors import BadChunking, ChunkDiffers, NoSuchChunk
from models_registry.incoming.layout import DEFAULT_CHUNK_BYTES, LARGEST_CHUNK_BYTES, MOST_CHUNKS, Layout
from models_registry.models import IncomingChunk, IncomingFile, ModelVersion


@dataclass(frozen=True)
class Announced:
    """What the sender says of a file before sending it; `path` is inside the draft, or under Resources/."""

    path: str
    size: int
    sha256: str = ""
    chunk_bytes: int | None = None
    unpack: bool = False


@transaction.atomic
def begin(*, access: Access, draft: ModelVersion | None, announced: Announced) -> tuple[IncomingFile, bool]:
    """Begin a file, or find the one that was begun with the same words; say whether it is new.

    One that goes on keeps its first `chunk_bytes`, whatever is asked now.
    """
    draft = services.still_open(draft) if draft else None
    quota.one_by_one(access.project)
    words = {
        "project": access.project,
        "draft": draft,
        "path": _path(draft, announced),
        "size": announced.size,
        "sha256": announced.sha256.lower(),
        "unpack": announced.unpack,
        "created_by": access.user,
    }
    found = IncomingFile.objects.filter(**words).first()
    if found is not None:
        _touch(found)
        return found, False
    chunk_bytes = announced.chunk_bytes or DEFAULT_CHUNK_BYTES
    _check_size(Layout(announced.size, chunk_bytes))
    quota.check(access.project, announced.size, sha256=announced.sha256.lower())
    return IncomingFile.objects.create(**words, chunk_bytes=chunk_bytes), True


def keep_chunk(*, file: IncomingFile, number: int, pieces: Iterable[bytes], sha256: str = "") -> None:
    """Put a chunk at its place. The same chunk again changes nothing; one that differs is refused.

    `sha256` may be empty where the sender's protocol has none; then the length alone is checked. Bytes reach
    their place only when all of them are there, so a body that breaks off leaves nothing.
    """
    length = _length(file, number)
    storage.require_room(length)
    with part_files.received(pieces, most=length) as chunk:
        _check(chunk, number, length, sha256)
        with part_files.locked(file.pk) as whole:
            if _is_wanted(file, number, chunk.sha256):
                part_files.place(chunk, whole, queries.layout(file).offset(number))
                _record(file, number, chunk.sha256)


def refuse_length(*, file: IncomingFile, number: int, length: int) -> None:
    """Refuse a chunk whose announced length is wrong before any of it is read."""
    if length != (wanted := _length(file, number)):
        raise BadChunking(f"Chunk {number} of {file} has {wanted} bytes, and {length} were announced.")


def drop(*, file: IncomingFile) -> None:
    """Forget a file and the chunks it has."""
    with part_files.locked(file.pk):
        IncomingFile.objects.filter(pk=file.pk).delete()
        part_files.remove(file.pk)


def drop_abandoned() -> int:
    """Forget files that got no chunk for a day, and bytes whose file or draft is gone; return how many."""
    gathered = set(part_files.all_ids())  # before the rows are read: a row is there before its bytes are
    orphans = gathered - set(IncomingFile.objects.values_list("pk", flat=True))
    for file_id in orphans:
        part_files.remove(file_id)
    return len(orphans) + sum(_drop_if_abandoned(file) for file in list(queries.abandoned()))


def _drop_if_abandoned(file: IncomingFile) -> bool:
    with part_files.locked(file.pk):
        deleted, _ = queries.abandoned().filter(pk=file.pk).delete()
        if deleted:
            part_files.remove(file.pk)
    return bool(deleted)


def _path(draft: ModelVersion | None, announced: Announced) -> str:
    """The cleaned path, refused now if it could not be taken once everything is there."""
    name = announced.path.rpartition("/")[2]
    if announced.unpack and not archives.is_archive(name):
        raise BadArchive(
            f"{name} cannot be unpacked; send {', '.join(archives.ENDINGS)}, or send it as it is."
        )
    if draft is None:
        return paths.resource(announced.path)
    there = () if announced.unpack else draft.files.values_list("path", flat=True)
    return paths.added_to(paths.Tree(there), announced.path)


def _check_size(layout: Layout) -> None:
    if layout.size > settings.MAX_UPLOAD_BYTES:
        raise storage.TooLarge(f"A file may have at most {settings.MAX_UPLOAD_BYTES // 1024**2} MB.")
    if layout.chunk_bytes > LARGEST_CHUNK_BYTES:
        raise BadChunking(
            f"A chunk may have at most {LARGEST_CHUNK_BYTES} bytes; leave chunk_bytes out for {DEFAULT_CHUNK_BYTES}."
        )
    if layout.count > MOST_CHUNKS:
        raise BadChunking(
            f"That makes {layout.count} chunks, and a file may have {MOST_CHUNKS}; ask for a larger chunk_bytes."
        )


def _length(file: IncomingFile, number: int) -> int:
    layout = queries.layout(file)
    if not 0 <= number < layout.count:
        raise NoSuchChunk(f"{file} has the chunks 0 to {layout.count - 1}; there is no chunk {number}.")
    return layout.length(number)


def _check(chunk: part_files.Received, number: int, length: int, sha256: str) -> None:
    if chunk.size > length:
        raise storage.TooLarge(f"Chunk {number} has {length} bytes; more were sent.")
    if chunk.size < length:
        raise storage.Incomplete(
            f"{chunk.size} of {length} bytes of chunk {number} arrived; send the chunk again."
        )
    if sha256 and chunk.sha256 != sha256.lower():
        raise storage.WrongHash(
            f"The bytes of chunk {number} do not have the announced sha256; send the chunk again."
        )


def _is_wanted(file: IncomingFile, number: int, sha256: str) -> bool:
    """Whether the chunk is still missing. The caller holds the lock, so that the answer stays true."""
    queries.incoming(file.project, file.pk)
    there = IncomingChunk.objects.filter(file=file, number=number).first()
    if there is not None and there.sha256 != sha256:
        raise ChunkDiffers(
            f"Chunk {number} is there with other bytes. Has {file} changed? Delete this upload and begin it anew."
        )
    return there is None


@transaction.atomic
def _record(file: IncomingFile, number: int, sha256: str) -> None:
    if not _touch(file):  # its draft was discarded just now
        raise NoSuchThing(queries.GONE)
    IncomingChunk.objects.create(file=file, number=number, sha256=sha256)


def _touch(file: IncomingFile) -> int:
    return IncomingFile.objects.filter(pk=file.pk).update(touched_at=timezone.now())
