"""What a sink could not take: a bounded queue of messages in files, `<folder>/<writer>.<number>.log`.

A file is locked (flock) while the process that writes it lives. What it leaves behind is found by the next one of the
same writer, or by the platform, which sends it on. Each file is removed as soon as all of it has been delivered.
"""

import contextlib
import fcntl
import logging
import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hopyard.server.inference_log import frames

SEGMENT_BYTES = 8 * 1024 * 1024
CHUNK_BYTES = 512 * 1024

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Segment:
    """One file of it: `position` is where its oldest message begins, `waiting` how many there are."""

    path: Path
    file: int
    size: int = 0
    position: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Chunk:
    """The oldest messages, all of one segment, up to a position in it."""

    values: list[bytes]
    end: int


class Spill:
    """`most_bytes` bounds the files together. `waiting` is how many messages are in them."""

    def __init__(self, folder: Path, writer: str, most_bytes: int) -> None:
        self.waiting = 0
        self.problem = ""
        self._folder = folder
        self._writer = writer
        self._most_bytes = most_bytes
        self._segment_bytes = min(SEGMENT_BYTES, max(1, most_bytes // 4))
        self._segments: deque[Segment] = deque()
        self._adopt()

    def append(self, values: Sequence[bytes], *, over: bool = False) -> int:
        """Keep as many as there is room for, and say how many; `over`: whatever the bound is. `problem` says why not
        all of them.
        """
        kept = len(values) if over else self._fitting(values)
        start = 0
        for stop in self._stops(values[:kept]):
            if not self._write(values[start:stop]):
                return start
            start = stop
        return start

    def oldest(self, most: int) -> Chunk:
        """At most so many of the messages that are to be delivered next; none if it is empty."""
        while self._segments:
            segment = self._segments[0]
            found = frames.read(os.pread(segment.file, CHUNK_BYTES, segment.position), most)
            if not found.values and found.wanted > CHUNK_BYTES:
                found = frames.read(os.pread(segment.file, found.wanted, segment.position), 1)
            if found.values:
                return Chunk(found.values, segment.position + found.bytes)
            is_end = segment.position + max(CHUNK_BYTES, found.wanted) >= segment.size
            if is_end or not found.bytes:  # nothing but the rest of what was cut off, or foreign
                self.waiting -= segment.waiting
                self._remove(segment)
            else:
                segment.position += found.bytes
        return Chunk([], 0)

    def forget(self, chunk: Chunk) -> None:
        """Its messages, which have to be the oldest ones, are delivered."""
        segment = self._segments[0]
        segment.position = chunk.end
        segment.waiting -= len(chunk.values)
        self.waiting -= len(chunk.values)
        if segment.position >= segment.size:
            self._remove(segment)

    def discard(self) -> int:
        """Remove all of it, and say how many messages that were."""
        count, self.waiting = self.waiting, 0
        for segment in list(self._segments):
            self._remove(segment)
        return count

    def close(self) -> None:
        """Let go of the files, for whoever sends on what is in them."""
        for segment in list(self._segments):
            if not segment.waiting:
                self._remove(segment)
            else:
                os.close(segment.file)
        self._segments.clear()

    def _fitting(self, values: Sequence[bytes]) -> int:
        room = self._most_bytes - sum(segment.size for segment in self._segments)
        for number, value in enumerate(values):
            room -= frames.HEAD.size + len(value)
            if room < 0:
                self.problem = (
                    f"the {self._most_bytes // 1_000_000} MB for them are full" if self._most_bytes else ""
                )
                return number
        return len(values)

    def _stops(self, values: Sequence[bytes]) -> list[int]:
        """Where to cut the values so that no segment gets much larger than it should."""
        size = self._segments[-1].size if self._segments else 0
        stops = []
        for number, value in enumerate(values):
            size += frames.HEAD.size + len(value)
            if size >= self._segment_bytes:
                stops.append(number + 1)
                size = 0
        return stops if stops and stops[-1] == len(values) else [*stops, *([len(values)] if values else [])]

    def _write(self, values: Sequence[bytes]) -> bool:
        try:
            segment = self._open()
            segment.size = frames.write(segment.file, values)
        except OSError as error:
            self.problem = f"{self._folder} cannot be written: {error.strerror or error}"
            return False
        segment.waiting += len(values)
        self.waiting += len(values)
        return True

    def _open(self) -> Segment:
        """The segment that is written to."""
        if self._segments and self._segments[-1].size < self._segment_bytes:
            return self._segments[-1]
        self._folder.mkdir(parents=True, exist_ok=True)
        while True:
            path, file = frames.create(self._folder, self._writer)
            if _locked(file):
                self._segments.append(Segment(path, file))
                return self._segments[-1]
            os.close(file)  # whoever looks for files that nobody holds was faster

    def _remove(self, segment: Segment) -> None:
        self._segments.remove(segment)
        with contextlib.suppress(OSError):
            segment.path.unlink()
        os.close(segment.file)

    def _adopt(self) -> None:
        """Take over what an earlier process of the same writer left."""
        for path in frames.files(self._folder, self._writer):
            with contextlib.suppress(OSError):
                file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
                if not _locked(file):
                    os.close(file)
                    continue
                size = os.fstat(file).st_size
                segment = Segment(path, file, size, 0, _count(file, size))
                self._segments.append(segment)
                self.waiting += segment.waiting


def _locked(file: int) -> bool:
    """Whether the file is ours now, and still there."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(file).st_nlink > 0


def _count(file: int, size: int) -> int:
    count = position = 0
    while position < size:
        found = frames.read(os.pread(file, CHUNK_BYTES, position), CHUNK_BYTES)
        if not found.bytes:
            if found.wanted <= CHUNK_BYTES:
                break
            found = frames.read(os.pread(file, found.wanted, position), 1)
            if not found.bytes:
                break
        count += len(found.values)
        position += found.bytes
    return count
