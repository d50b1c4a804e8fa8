"""Reads topics that are folders as one of a group: a file is read by one reader at a time, under a lock."""

import contextlib
import fcntl
import os
import random
import struct
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from serving.models import TopicOffset
from serving.topics import folders, frames
from serving.topics.broker import Message

CHUNK_BYTES = 1024 * 1024
CLOSED_AFTER_SECONDS = (
    60  # what is cut off at the end of a file that nobody has written to since stays cut off
)
FIRST_WAIT_SECONDS = 0.02
LONGEST_WAIT_SECONDS = 0.5
LOCK = struct.Struct("hhqqi4x")  # struct flock of 64-bit Linux
BEYOND_ALL_BYTES = 1 << 62


class DirectoryReader:
    """What `serving.topics.broker.Reader` says. A file is this reader's from the `poll` that found something in it to
    the one after the next `commit`, which begins at the offsets that are in the database then.
    """

    def __init__(self, root: Path, group: str) -> None:
        self._root = root
        self._group = group
        self._topics: tuple[str, ...] = ()
        self._held: dict[_Known, _Held] = {}
        self._read_up_to: dict[_Known, int] = {}  # at least; others of the group may be further
        self._is_committed = False

    def subscribe(self, topics: Collection[str]) -> None:
        self._topics = tuple(sorted(topics))
        for known in [known for known in self._held if known.topic not in self._topics]:
            self._held.pop(known).close()
            self._read_up_to.pop(known)

    def poll(self, *, seconds: float, most: int) -> list[Message]:
        if self._is_committed:
            self._begin_anew()
        deadline = time.monotonic() + seconds
        wait = FIRST_WAIT_SECONDS
        while True:
            found = self._found(most)
            left = deadline - time.monotonic()
            if found or left <= 0:
                return found
            time.sleep(min(wait, left))
            wait = min(wait * 2, LONGEST_WAIT_SECONDS)

    def commit(self) -> None:
        positions = [
            TopicOffset(group=self._group, path=known.path, position=held.position)
            for known, held in sorted(self._held.items())
            if not held.is_removed
        ]
        TopicOffset.objects.bulk_create(
            positions, update_conflicts=True, unique_fields=["group", "path"], update_fields=["position"]
        )
        self._is_committed = True

    def lag(self) -> Mapping[str, int]:
        read = self._committed()
        found = dict.fromkeys(self._topics, 0)
        for known, size in self._sizes():
            found[known.topic] += max(0, size - read.get(known.path, 0))
        return found

    def close(self) -> None:
        for held in self._held.values():
            held.close()
        self._held.clear()
        self._read_up_to.clear()

    def _begin_anew(self) -> None:
        """Let others of the group have the files; a commit that was rolled back is none."""
        committed = self._committed([known.path for known in self._held])
        for known, held in self._held.items():
            self._read_up_to[known] = committed.get(known.path, 0)
            held.close()
        self._held.clear()
        self._is_committed = False

    def _committed(self, paths: Collection[str] | None = None) -> dict[str, int]:
        rows = TopicOffset.objects.filter(group=self._group)
        rows = rows if paths is None else rows.filter(path__in=paths)
        return dict(rows.values_list("path", "position"))

    def _found(self, most: int) -> list[Message]:
        found: list[Message] = []
        grown = [known for known, size in self._sizes() if size > self._read_up_to.get(known, 0)]
        random.shuffle(grown)  # so that readers do not follow each other, and no file waits for ever
        for known in grown:
            if len(found) >= most:
                break
            held = self._held.get(known) or self._take(known)
            if held is None:
                continue
            read = held.messages(most - len(found))
            self._read_up_to[known] = held.position
            found += read
            if read:
                self._held[known] = held
            elif known not in self._held:
                held.close()
        return found

    def _take(self, known: "_Known") -> "_Held | None":
        """The file, if no other reader has it."""
        held = _Held.take(self._root / known.path, self._group)
        if held is not None:
            held.position = self._committed([known.path]).get(known.path, 0)
        return held

    def _sizes(self) -> Iterator[tuple["_Known", int]]:
        for topic in self._topics:
            for path in folders.files(self._root / topic):
                with contextlib.suppress(FileNotFoundError):
                    about = path.stat()
                    yield _Known(topic, f"{topic}/{path.name}", about.st_ino), about.st_size


@dataclass(frozen=True, order=True)
class _Known:
    """A file, which another one of its name is not; `path` is below the root."""

    topic: str
    path: str
    inode: int


class _Held:
    """A file that is locked for a group until `close` or the end of the process."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self.position = 0

    @classmethod
    def take(cls, path: Path, group: str) -> "_Held | None":
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _lock_of(group))
        except BlockingIOError:
            os.close(descriptor)
            return None
        return cls(path, descriptor)

    @property
    def is_removed(self) -> bool:
        return not os.fstat(self._descriptor).st_nlink

    def messages(self, most: int) -> list[Message]:
        """Of the next bytes; where a message is larger than usual, as many as it needs."""
        size = CHUNK_BYTES
        while True:
            about = os.fstat(self._descriptor)
            data = os.pread(self._descriptor, size, self.position)
            is_end = self.position + len(data) >= about.st_size
            is_closed = is_end and time.time() - about.st_mtime > CLOSED_AFTER_SECONDS
            found = self._read(data, most, is_end=is_end, is_closed=is_closed)
            if found or is_end:
                return found
            size *= 2

    def _read(self, data: bytes, most: int, *, is_end: bool, is_closed: bool) -> list[Message]:
        found: list[Message] = []
        for one in frames.read(data, self.position, is_end=is_end, is_closed=is_closed):
            topic, partition = self._path.parent.name, self._path.name
            found.append(Message(topic, partition, one.start, one.value, skipped=one.skipped))
            self.position = one.position
            if len(found) >= most:
                break
        return found

    def close(self) -> None:
        os.close(self._descriptor)


def _lock_of(group: str) -> bytes:
    """A lock of one byte that stands for the group, far beyond what a file holds: it belongs to the open file and ends
    with it, keeps no writer out, and leaves nothing behind.
    """
    number = int.from_bytes(blake2b(group.encode(), digest_size=4).digest())
    return LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, BEYOND_ALL_BYTES + number, 1, 0)
