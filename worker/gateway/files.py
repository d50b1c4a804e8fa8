"""The gateway's folder: the lock, what each serving was last published as, the configuration and the maps.

They hold the newest wish before HAProxy is told of it, so that it knows everything however it is started. Only the
configuration may be some seconds behind with the replicas that come and go, since that file is long.
"""

import contextlib
import fcntl
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from worker.gateway import maps
from worker.gateway.description import Entry
from worker.gateway.installation import CONFIGURATION


@dataclass(frozen=True)
class Files:
    folder: Path

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One at a time, in all processes, so that what was read first is never written last."""
        self.servings.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @property
    def servings(self) -> Path:
        return self.folder / "servings"

    @property
    def behind(self) -> Path:
        """Is there while the configuration does not have the newest replicas."""
        return self.folder / "behind"

    def entries(self) -> list[Entry]:
        return [Entry.read(path.read_text()) for path in sorted(self.servings.glob("*.json"))]

    def entry(self, number: int) -> Entry | None:
        path = self._path(number)
        return Entry.read(path.read_text()) if path.exists() else None

    def keep(self, entry: Entry) -> None:
        self.behind.touch()
        self.write(f"servings/{entry.number}.json", entry.text())

    def forget(self, number: int) -> bool:
        """Whether there was one."""
        is_known = self._path(number).exists()
        self.behind.touch()
        self._path(number).unlink(missing_ok=True)
        return is_known

    def beginning(self) -> str:
        """As much of the configuration as says what it is: all of it has megabytes where there are many servings."""
        path = self.folder / CONFIGURATION
        if not path.exists():
            return ""
        with path.open() as file:
            return file.read(1000)

    def age(self, name: str) -> float:
        """Seconds since a file was written; endless if there is none, or if it is from the future."""
        try:
            age = time.time() - (self.folder / name).stat().st_mtime
        except FileNotFoundError:
            return math.inf
        return age if age > -1 else math.inf

    def map(self, name: str) -> dict[str, str]:
        path = self.folder / name
        return maps.read(path.read_text()) if path.exists() else {}

    def write_map(self, name: str, pairs: Mapping[str, str]) -> None:
        self.write(name, maps.text(pairs))

    def write(self, name: str, text: str) -> None:
        """Whole or not at all, and readable by nobody else: tokens and digests are in it."""
        path = self.folder / name
        if path.exists() and path.read_text() == text:
            return
        draft = path.with_name(f".{path.name}")
        draft.touch(mode=0o600)
        draft.write_text(text)
        draft.replace(path)

    def _path(self, number: int) -> Path:
        return self.servings / f"{number}.json"
