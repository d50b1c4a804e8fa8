"""Messages in a file that only grows: how a topic is kept where there is no Kafka, and what waits to be sent to one.

A message is a frame: MAGIC, its length and its CRC-32 (both unsigned, 4 bytes, big-endian), its bytes. A file has one
writer at a time. MAGIC is in no text: it is not UTF-8. What a crash or a full disk cut off is skipped by the reader,
which looks for the next frame; so is what never was one. The model server writes the same
(`hopyard.server.inference_log.frames`).
"""

import fcntl
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MAGIC = b"\xf0HY\x01"
HEAD = struct.Struct(">4sII")
MOST_BYTES = 64 * 1024 * 1024  # of one message
SUFFIX = ".log"


@dataclass(frozen=True, slots=True)
class Frame:
    """A message and the position after it; `value` is None for `skipped` bytes that are no frame."""

    position: int
    value: bytes | None
    skipped: bytes = b""

    @property
    def start(self) -> int:
        """Where in its file it begins."""
        if self.value is None:
            return self.position - len(self.skipped)
        return self.position - HEAD.size - len(self.value)


def frame(value: bytes) -> bytes:
    return HEAD.pack(MAGIC, len(value), zlib.crc32(value)) + value


def append(path: Path, values: Iterable[bytes]) -> None:
    """Whole messages or nothing; several processes of the platform may write to the same file. Raises OSError."""
    data = b"".join(map(frame, values))
    path.parent.mkdir(parents=True, exist_ok=True)
    with _held(path) as file:
        size = file.seek(0, os.SEEK_END)
        try:
            written = file.write(data)
        except OSError:
            file.truncate(size)
            raise
        if written != len(data):
            file.truncate(size)
            raise OSError(f"only {written} of {len(data)} bytes fitted into {path}")


@contextmanager
def _held(path: Path) -> Iterator[BinaryIO]:
    """The file, locked and certainly the one of that name: whoever removes old files locks them too."""
    while True:
        with path.open("a+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink:
                yield file
                return


def read(data: bytes, position: int, *, is_end: bool, is_closed: bool = False) -> Iterator[Frame]:
    """The frames in `data`, which begins at `position` of its file.

    A frame that is not complete ends it: there is more of it, unless `data` reaches to the file's end, as `is_end`
    says, and another frame was begun after it, or nothing will be added any more (`is_closed`). What cannot become a
    frame is a Frame without a value.
    """
    start = 0
    while start < len(data):
        found = _at(data, start, is_end=is_end)
        if found is None and not is_closed:
            return
        if isinstance(found, bytes):
            start += HEAD.size + len(found)
            yield Frame(position + start, found)
            continue
        after = len(data) if found is None else found
        yield Frame(position + after, None, data[start:after])
        start = after


def _at(data: bytes, start: int, *, is_end: bool) -> bytes | int | None:
    """The message of the frame at `start`; None if it has not come whole; where to go on if there is none."""
    head = data[start : start + HEAD.size]
    if not (head.startswith(MAGIC) or MAGIC.startswith(head)):
        return _next(data, start)
    if len(head) < HEAD.size:
        return _begun_later(data, start) if is_end else None
    _, length, checksum = HEAD.unpack(head)
    if length > MOST_BYTES:
        return _next(data, start)
    value = data[start + HEAD.size : start + HEAD.size + length]
    if len(value) < length:
        # Cut off by a crash, if another frame was begun after it; else still being written.
        return _begun_later(data, start) if is_end else None
    return value if zlib.crc32(value) == checksum else _next(data, start)


def _begun_later(data: bytes, start: int) -> int | None:
    found = data.find(MAGIC, start + 1)
    return None if found < 0 else found


def _next(data: bytes, start: int) -> int:
    """Where the next frame may begin, which may be with the last few bytes there are."""
    found = data.find(MAGIC, start + 1)
    if found >= 0:
        return found
    for length in range(len(MAGIC) - 1, 0, -1):
        if len(data) - length > start and data.endswith(MAGIC[:length]):
            return len(data) - length
    return len(data)
