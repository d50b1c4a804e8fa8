"""The replicas' logs, `<LOG_DIR>/<serving key>/<replica>.log`: written by the runners of local replicas, and by the log
keeper for those at an engine; read here, whichever wrote them.
"""

import contextlib
import hashlib
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

from django.conf import settings

from serving import log_files
from serving.log_files import WholeLog
from serving.models import Serving

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


def tail(
    serving: Serving,
    *,
    replica: str = "",
    search: str = "",
    since: datetime | None = None,
    lines: int = 200,
) -> list[ReplicaLog]:
    """The last `lines` lines of one replica, or of each, that contain `search` (without regard to case) and were
    written at or after `since`.
    """
    chosen = [name for name in replicas_with_logs(serving) if replica in {"", name}]
    return [ReplicaLog(name, _last(_path(serving, name), search, since, lines)) for name in chosen]


def tag(serving: Serving) -> str:
    """Changes whenever a log of the serving does."""
    return hashlib.blake2b(repr(sorted(_facts(serving))).encode(), digest_size=8).hexdigest()


def whole(serving: Serving, replica: str) -> WholeLog | None:
    """All that is kept of a replica's log, or None if there is no such replica; the caller closes it."""
    return WholeLog(_path(serving, replica)) if replica in replicas_with_logs(serving) else None


def forget(key: str, replicas: Iterable[str] | None = None) -> None:
    """Delete the logs of some replicas, or of all of them, of what deployers know by `key`."""
    folder = settings.LOG_DIR / key
    if replicas is None:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for name in replicas:
        for suffix in ("log", "log.1"):
            (folder / f"{name}.{suffix}").unlink(missing_ok=True)


def _last(path: Path, search: str, since: datetime | None, lines: int) -> list[str]:
    """Read from the end, and only as far as needed."""
    found = log_files.backwards(path, search)
    if since is not None:
        found = _not_before(since, found)
    return list(islice(found, min(lines, MOST_LINES)))[::-1]


def _not_before(since: datetime, newest_first: Iterable[str]) -> Iterator[str]:
    for line in newest_first:
        time = log_files.time_of(line)
        if time is not None and time < since:
            return
        yield line


def _facts(serving: Serving) -> Iterator[tuple[str, int, int]]:
    """Name, size and time of each log; one that is deleted meanwhile is passed over."""
    for path in _folder(serving).glob("*.log"):
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            yield path.stem, status.st_size, status.st_mtime_ns


def _path(serving: Serving, replica: str) -> Path:
    return _folder(serving) / f"{replica}.log"


def _folder(serving: Serving) -> Path:
    folder: Path = settings.LOG_DIR
    return folder / serving.key
