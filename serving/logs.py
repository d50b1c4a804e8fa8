"""Reads the replicas' logs, which the runner of each keeps as `<LOG_DIR>/<serving key>/<replica>.log`."""

import contextlib
import hashlib
import os
import shutil
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from serving.models import Serving

TAIL_BYTES = 2 * 1024 * 1024
MOST_LINES = 5000


@dataclass(frozen=True)
class ReplicaLog:
    """The last lines of one replica, oldest first, each beginning with its time in UTC."""

    name: str
    lines: list[str]


def replicas_with_logs(serving: Serving) -> list[str]:
    """Names of all replicas whose log is kept, the one written last first."""
    written = sorted(((when, name) for name, _, when in _facts(serving)), reverse=True)
    return [name for _, name in written]


def tail(serving: Serving, *, replica: str = "", search: str = "", lines: int = 200) -> list[ReplicaLog]:
    """The last `lines` lines of one replica, or of each, that contain `search` (without regard to case)."""
    names = replicas_with_logs(serving)
    chosen = [name for name in names if replica in {"", name}]
    return [ReplicaLog(name, _last(_folder(serving) / f"{name}.log", search, lines)) for name in chosen]


def tag(serving: Serving) -> str:
    """Changes whenever a log of the serving does."""
    return hashlib.blake2b(repr(sorted(_facts(serving))).encode(), digest_size=8).hexdigest()


def path_of(serving: Serving, replica: str) -> Path | None:
    """The whole log of a replica, or None if there is no such replica."""
    return _folder(serving) / f"{replica}.log" if replica in replicas_with_logs(serving) else None


def forget(key: str, replicas: Iterable[str] | None = None) -> None:
    """Delete the logs of some replicas, or of all of them, of what deployers know by `key`."""
    folder = settings.LOG_DIR / key
    if replicas is None:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for name in replicas:
        for suffix in ("log", "log.1"):
            (folder / f"{name}.{suffix}").unlink(missing_ok=True)


def _last(path: Path, search: str, lines: int) -> list[str]:
    kept: deque[str] = deque(maxlen=min(lines, MOST_LINES))
    needle = search.lower()
    for part in (path.with_name(f"{path.name}.1"), path):
        with contextlib.suppress(FileNotFoundError):
            kept.extend(line for line in _read_end(part) if needle in line.lower())
    return list(kept)


def _read_end(path: Path) -> list[str]:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TAIL_BYTES))
        text = file.read().decode(errors="replace")
    return text.split("\n")[1:-1] if size > TAIL_BYTES else text.splitlines()


def _facts(serving: Serving) -> Iterator[tuple[str, int, int]]:
    """Name, size and time of each log; one that is deleted meanwhile is passed over."""
    for path in _folder(serving).glob("*.log"):
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            yield path.stem, status.st_size, status.st_mtime_ns


def _folder(serving: Serving) -> Path:
    folder: Path = settings.LOG_DIR
    return folder / serving.key
