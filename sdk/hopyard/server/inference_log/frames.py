"""Messages in a file that only grows: what the folder of a topic and the spill are made of.

A message is a frame: MAGIC, its length and its CRC-32 (both unsigned, 4 bytes, big-endian), its bytes. The platform
reads and writes the same (`serving.topics.frames`).
"""

import contextlib
import glob
import os
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"\xf0HY\x01"  # in no text: it is not UTF-8
HEAD = struct.Struct(">4sII")
MOST_BYTES = 64 * 1024 * 1024  # of one message
SUFFIX = ".log"


@dataclass(frozen=True, slots=True)
class Found:
    """The messages at the beginning of some bytes, how many bytes they take, with what is no message, and how many
    bytes of the next one there have to be, 0 if that is not known.
    """

    values: list[bytes]
    bytes: int
    wanted: int = 0


def frame(value: bytes) -> bytes:
    return HEAD.pack(MAGIC, len(value), zlib.crc32(value)) + value


def write(file: int, values: Iterable[bytes]) -> int:
    """Add all of the messages to the file, or none; return its size. Raises OSError."""
    data = b"".join(map(frame, values))
    size = os.lseek(file, 0, os.SEEK_END)
    try:
        written = os.write(file, data)
    except OSError:
        os.ftruncate(file, size)
        raise
    if written != len(data):
        os.ftruncate(file, size)
        raise OSError(f"only {written} of {len(data)} bytes fitted")
    return size + written


def read(data: bytes, most: int) -> Found:
    """At most so many messages; what was cut off or is foreign is passed over."""
    values: list[bytes] = []
    start = 0
    while len(values) < most and len(data) - start >= HEAD.size:
        magic, length, checksum = HEAD.unpack_from(data, start)
        if magic == MAGIC and length <= MOST_BYTES:
            end = start + HEAD.size + length
            value = data[start + HEAD.size : end]
            if len(value) < length and data.find(MAGIC, start + 1) < 0:
                return Found(values, start, HEAD.size + length)
            if len(value) == length and zlib.crc32(value) == checksum:
                values.append(value)
                start = end
                continue
        later = data.find(MAGIC, start + 1)
        start = later if later >= 0 else len(data) - len(MAGIC) + 1
    return Found(values, start)


def files(folder: Path, writer: str) -> list[Path]:
    """Those of the writer, in the order in which they were written."""
    found = folder.glob(f"{glob.escape(writer)}.*{SUFFIX}")
    return sorted((path for path in found if _number(path)), key=_number)


def create(folder: Path, writer: str) -> tuple[Path, int]:
    """A file of the folder that nobody has, `<writer>.<number>.log` with the next number. Raises OSError."""
    number = max(map(_number, files(folder, writer)), default=0)
    while True:
        number += 1
        path = folder / f"{writer}.{number:06d}{SUFFIX}"
        with contextlib.suppress(FileExistsError):
            return path, os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)


def _number(path: Path) -> int:
    """0 for a file that is named otherwise."""
    text = path.name.split(".")[-2]
    return int(text) if text.isascii() and text.isdigit() else 0
