"""Messages in a file that only grows: how a topic is kept where there is no Kafka, and what waits to be sent to one.

A message is a frame: MAGIC, its length and its CRC-32 (both unsigned, 4 bytes, big-endian), its bytes. A file has one
writer at a time. MAGIC is in no text: it is not UTF-8. What a crash or a full disk cut off is skipped by the reader, which looks for the next frame; so is
what never was one. The model server writes the same (`hopyard.server.inference_log.frames`).
"""

import fcntl
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

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


def frame(value: bytes) -> bytes:
    return HEAD.pack(MAGIC, len(value), zlib.crc32(value)) + value


def append(path: Path, values: Iterable[bytes]) -> None:
    """Whole messages or nothing; several processes of the platform may write to the same file. Raises OSError."""
    data = b"".join(map(frame, values))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = file.seek(0, os.SEEK_END)
        written = file.write(data)
        if written != len(data):
            file.truncate(size)
            raise OSError(f"only {written} of {len(data)} bytes fitted into {path}")


def read(data: bytes, position: int, *, is_end: bool) -> Iterator[Frame]:
    """The frames in `data`, which begins at `position` of its file and, if `is_end`, reaches to the file's end.

    A frame that is not complete ends it: more of it may come. What cannot become a frame is one Frame without a value.
    """
    start = 0
    while start < len(data):
        found = _at(data, start)
        if found is None:
            return
        if isinstance(found, int):
            if found == len(data) and not is_end and start == 0 and len(data) < HEAD.size:
                return
            yield Frame(position + found, None, data[start:found])
            start = found
            continue
        start += HEAD.size + len(found)
        yield Frame(position + start, found)


def _at(data: bytes, start: int) -> bytes | int | None:
    """The message of the frame at `start`; None if it has not come whole; where to go on if there is none."""
    head = data[start : start + HEAD.size]
    if len(head) < HEAD.size:
        return None if MAGIC.startswith(head[:4]) or head.startswith(MAGIC) else _next(data, start)
    magic, length, checksum = HEAD.unpack(head)
    if magic != MAGIC or length > MOST_BYTES:
        return _next(data, start)
    value = data[start + HEAD.size : start + HEAD.size + length]
    if len(value) < length:
        # Cut off by a crash, if another frame was begun after it; else still being written.
        later = data.find(MAGIC, start + 1)
        return None if later < 0 else later
    return value if zlib.crc32(value) == checksum else _next(data, start)


def _next(data: bytes, start: int) -> int:
    """Where the next frame may begin."""
    found = data.find(MAGIC, start + 1)
    return len(data) if found < 0 else found
