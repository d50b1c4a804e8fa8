"""The entries of an archive: which names are taken, and under which path each file comes out."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from models_registry import paths
from models_registry.archives.limits import Limits
from models_registry.errors import BadArchive

DRIVE = re.compile(r"[A-Za-z]:")
LEFT_OUT = "__MACOSX/"  # what macOS adds for itself beside each file


@dataclass(frozen=True)
class Entry:
    """A file of an archive; the pieces must be read before the next entry is asked for."""

    path: str
    pieces: Iterator[bytes]


class Names:
    """Judges the names of one archive, in turn and against each other."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.tree = paths.Tree()
        self.count = 0

    def file(self, name: str) -> str | None:
        """The path of a file, or None if it is left out; raises BadPath or BadArchive."""
        path = self._path(name)
        if path:
            self.tree.add(path)
        return path

    def folder(self, name: str) -> None:
        if path := self._path(name.removesuffix("/")):
            self.tree.add_folder(path)

    def _path(self, name: str) -> str | None:
        self.count += 1
        self.limits.refuse_count(self.count)
        while name.startswith("./"):
            name = name[2:]
        if name in {"", "."} or f"{name}/".startswith(LEFT_OUT):
            return None
        if DRIVE.match(name):
            raise BadArchive(f"{name!r} names a drive; pack the files with paths inside their folder.")
        path = paths.clean(name)
        if path.count("/") >= self.limits.depth:
            raise BadArchive(
                f"{path[:80]!r}… lies more than {self.limits.depth} folders deep; pack it flatter."
            )
        return path
