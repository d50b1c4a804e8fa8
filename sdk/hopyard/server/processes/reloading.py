"""What a server that is edited watches: the scripts' folders for Python files, and the model's files."""

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hopyard.server import config
from hopyard.server.config import Config

OPTION = "--reload"
POLL_SECONDS = 0.3
PAUSE_PER_SECOND_OF_LOOKING = 5.0
MOST_FILES = 20_000
SKIPPED = {"__pycache__", "node_modules", "site-packages"}
VENV_MARK = "pyvenv.cfg"

Stamps = Mapping[str, tuple[int, int]]


def asked_for(argv: Sequence[str]) -> tuple[bool, list[str]]:
    """Whether the command line or HOPYARD_RELOAD says to reload, and the command line without it. What follows
    `--` is the script's.
    """
    end = argv.index("--") if "--" in argv else len(argv)
    ours = [word for word in argv[:end] if word != OPTION]
    return len(ours) < end or config.reloads(), [*ours, *argv[end:]]


class Watch:
    """Looks again and again; a change is noticed however often it happens between two looks."""

    def __init__(self, settings: Config) -> None:
        scripts = [path for path in (settings.script, settings.transformer) if path is not None]
        self._code = sorted({path.absolute().parent for path in scripts})
        self._files = settings.artifact_dir.absolute() if settings.artifact_dir else None
        self._alone = [*scripts, *([settings.input_example] if settings.input_example else [])]
        self._stamps = self._look()

    async def changed(self) -> str:
        """Wait for the next change and return the name of the file."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            stamps = await asyncio.to_thread(self._look)
            taken = loop.time() - began
            before, self._stamps = self._stamps, stamps
            different = difference(before, stamps)
            if different:
                return different
            await asyncio.sleep(max(POLL_SECONDS, taken * PAUSE_PER_SECOND_OF_LOOKING))

    def _look(self) -> Stamps:
        found: dict[str, tuple[int, int]] = {}
        for path in self._paths():
            try:
                status = path.stat()
            except OSError:  # gone since it was listed
                continue
            found[str(path)] = (status.st_mtime_ns, status.st_size)
            if len(found) >= MOST_FILES:
                break
        return found

    def _paths(self) -> Iterator[Path]:
        yield from self._alone
        for folder in self._code:
            yield from (path for path in _below(folder) if path.suffix == ".py")
        if self._files is not None:
            yield from _below(self._files)


def difference(before: Stamps, after: Stamps) -> str:
    """The name of a file that was changed, added or removed; empty if none was."""
    for path in {**before, **after}:
        if before.get(path) != after.get(path):
            return Path(path).name
    return ""


def _below(folder: Path) -> Iterator[Path]:
    """The files of a folder and the folders in it, without hidden ones and environments."""
    for directory, folders, files in os.walk(folder):
        if VENV_MARK in files:
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".") and name not in SKIPPED]
        yield from (Path(directory, name) for name in files if not name.startswith("."))
