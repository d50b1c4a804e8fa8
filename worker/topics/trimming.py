"""Keeps topics that are folders, and what waits for Kafka, within their age and size: whole files, the oldest first.

The file that a writer goes on with stays. What somebody has still to read goes only where there is too much of it,
which the log says.
"""

import contextlib
import fcntl
import logging
import shutil
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from serving.models import Topic, TopicOffset
from serving.topics import folders, schemas
from worker.topics import offsets
from worker.topics.directory import GONE

log = logging.getLogger(__name__)

MEGABYTE = 1024 * 1024
HOUR = 3600
IN_USE_SECONDS = HOUR
"""A writer that has written nothing for so long begins another file if its own is gone."""
RECORD_SUBJECTS = (schemas.SUBJECT, schemas.MLRUN)
RECORDS = "records"
"""The group that stores inference records in the database."""


@dataclass(frozen=True, order=True)
class _File:
    written_at: float
    path: Path
    size: int

    @property
    def key(self) -> str:
        """What offsets call it."""
        return f"{self.path.parent.name}/{self.path.name}"


def trim() -> None:
    """Every topic's folder, and the offsets of files that are gone."""
    subjects = dict(Topic.objects.values_list("name", "subject"))
    for folder in _folders(settings.TOPIC_DIR):
        groups = _groups(folder.name)
        if subjects.get(folder.name, "").lower() in RECORD_SUBJECTS:
            groups.setdefault(RECORDS, {})
        _trim(folder, groups, hours=settings.TOPIC_RETENTION_HOURS)
    for folder in _folders(settings.OUTBOX_DIR):
        _trim(folder, {"Kafka": {}}, hours=0)  # what has been sent is gone already
    _forget_offsets()


def _folders(root: Path) -> Iterator[Path]:
    """Of topics; what a death left of removed ones goes."""
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        if path.name.startswith(GONE):
            shutil.rmtree(path, ignore_errors=True)
        elif path.is_dir():
            yield path


def _trim(folder: Path, groups: Mapping[str, Mapping[str, int]], *, hours: int) -> None:
    """`groups` have read so far each file that they know."""
    files = sorted(_files(folder))
    surplus = sum(file.size for file in files) - settings.TOPIC_RETENTION_MB * MEGABYTE
    surplus = surplus if settings.TOPIC_RETENTION_MB else 0
    now = time.time()
    for file in _unused(files, now):
        unread = {name: file.size - read.get(file.key, 0) for name, read in groups.items()}
        unread = {name: size for name, size in unread.items() if size > 0}
        is_old = bool(hours) and now - file.written_at > hours * HOUR
        if surplus > 0 or (is_old and not unread):
            surplus -= file.size if _remove(file, unread) else 0


def _files(folder: Path) -> Iterator[_File]:
    for path in folders.files(folder):
        with contextlib.suppress(FileNotFoundError):
            about = path.stat()
            yield _File(about.st_mtime, path, about.st_size)


def _unused(files: Iterable[_File], now: float) -> Iterator[_File]:
    """Those that nobody writes to any more."""
    newest: dict[str, int] = defaultdict(int)
    places = {file: folders.place(file.path) or (file.path.name, 0) for file in files}
    for writer, number in places.values():
        newest[writer] = max(newest[writer], number)
    for file, (writer, number) in places.items():
        if number < newest[writer] or now - file.written_at > IN_USE_SECONDS:
            yield file


def _remove(file: _File, unread: Mapping[str, int]) -> bool:
    """Unless somebody holds it, as a replica does with what it will send itself."""
    try:
        with file.path.open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            offsets.forget_file(file.key)  # before its writer can begin another one of this name
            file.path.unlink()
    except FileNotFoundError:
        return True
    except OSError as error:
        if not isinstance(error, BlockingIOError):
            log.warning("%s cannot be removed: %s", file.path, error)
        return False
    for name, size in unread.items():
        log.warning(
            "The topic %s has more than %d MB, and its oldest file %s went with %d bytes that %s had not read",
            file.path.parent.name,
            settings.TOPIC_RETENTION_MB,
            file.path.name,
            size,
            name,
        )
    return True


def _groups(topic: str) -> dict[str, dict[str, int]]:
    """How far each group of readers of a topic has read its files."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for offset in offsets.of_topic(topic):
        found[offset.group][offset.path] = offset.position
    return dict(found)


def _forget_offsets() -> None:
    for offset in TopicOffset.objects.iterator():
        if not any((root / offset.path).exists() for root in (settings.TOPIC_DIR, settings.OUTBOX_DIR)):
            offset.delete()
