"""The log of a replica at an engine, written by the log keeper; its own last lines say where to go on."""

from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

from serving import log_files
from worker.deployers.following import Line
from worker.deployers.runner import LOG_BYTES


class KeptLog:
    """Appends lines to `path`, and begins a new file (`.1` is the old) when it is full, as the runner's Log does.

    `since` is the time of the last line, empty if there is none. Several lines may bear it; from there on those are
    given again, and passed over. The file appears with the first line. Raises OSError when a line finds no room.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        _drop_half_a_line(path)
        lines = log_files.backwards(path)
        last = next(lines, "")
        self.since = last.partition(" ")[0]
        self._known = 1 + sum(1 for _ in takewhile(self._is_as_old, lines)) if last else 0

    def write(self, line: Line) -> None:
        if self._known and line.time == self.since:
            self._known -= 1
            return
        self._known = 0
        content = b"%s %s\n" % (line.time.encode(), line.text)
        file = self._file or self._open()
        if file.write(content) < len(content):
            raise OSError(f"There is no room for the log {self._path}.")
        if file.tell() > LOG_BYTES:
            self.close()
            self._path.replace(self._path.with_name(f"{self._path.name}.1"))
            self._open()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _is_as_old(self, line: str) -> bool:
        return line.partition(" ")[0] == self.since

    def _open(self) -> BinaryIO:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("ab", buffering=0)
        return self._file


def _drop_half_a_line(path: Path) -> None:
    """What a writer that died, or a full disk, left at the end; it comes again from the engine."""
    try:
        file = path.open("r+b")
    except FileNotFoundError:
        return
    with file:
        end = file.seek(0, 2)
        while end:
            start = max(0, end - log_files.BLOCK_BYTES)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                file.truncate(start + newline + 1)
                return
            end = start
        file.truncate(0)
