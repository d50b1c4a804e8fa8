"""Reads a replica's log from its two files: `<replica>.log` and, before it, the full one that `.log.1` was.

Every line begins with its time in UTC. Both files are opened before either is read, so that a log which begins anew
meanwhile is neither read twice nor missed.
"""

import contextlib
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

BLOCK_BYTES = 256 * 1024


def time_of(line: str) -> datetime | None:
    """When a line was written, or None if it does not begin with a time."""
    word = line.partition(" ")[0]
    try:
        time = datetime.fromisoformat(word) if "T" in word[:11] else None
    except ValueError:
        return None
    return time if time and time.tzinfo else None


def backwards(path: Path, search: str = "") -> Iterator[str]:
    """The lines that contain `search`, without regard to case, the newest first."""
    needle = search.lower()
    with contextlib.ExitStack() as stack:
        for file in reversed([stack.enter_context(file) for file in _opened(path)]):
            for block in _blocks_backwards(file):
                text = block.decode(errors="replace")
                if needle in text.lower():
                    yield from (line for line in reversed(text.split("\n")) if needle in line.lower())


class WholeLog:
    """All bytes of a log, oldest first, as they are when it is opened; to be iterated over once and closed."""

    def __init__(self, path: Path) -> None:
        self._parts = [(file, os.fstat(file.fileno()).st_size) for file in _opened(path)]
        self.size = sum(size for _, size in self._parts)

    def __iter__(self) -> Iterator[bytes]:
        for file, size in self._parts:
            left = size
            while left and (block := file.read(min(BLOCK_BYTES, left))):
                left -= len(block)
                yield block

    def close(self) -> None:
        for file, _ in self._parts:
            file.close()


def _opened(path: Path) -> list[BinaryIO]:
    """The older part and the newer one, whichever are there."""
    found: list[BinaryIO] = []
    for part in (path, path.with_name(f"{path.name}.1")):
        with contextlib.suppress(FileNotFoundError):
            found.insert(0, part.open("rb"))
    if len(found) > 1 and os.path.sameopenfile(found[0].fileno(), found[1].fileno()):
        found.pop().close()  # it became the older part between the two
    return found


def _blocks_backwards(file: BinaryIO) -> Iterator[bytes]:
    """Blocks of whole lines, the last first, each without its closing line end."""
    position = file.seek(0, os.SEEK_END)
    rest = b""
    while position:
        size = min(BLOCK_BYTES, position)
        position -= size
        file.seek(position)
        block = file.read(size) + rest
        if position:
            head, cut, block = block.partition(b"\n")
            rest = head + cut
            if not cut:
                continue
        if block:
            yield block.removesuffix(b"\n")
