"""Keeps replicas of this machine off the port of their serving until they are to answer there, as a canary's are."""

import contextlib
import time
from collections.abc import Iterable
from pathlib import Path

from worker.deployers import directories
from worker.deployers.base import Phase

JOINED_WITHIN = 1.0  # seconds: a model server looks ten times in one
JOINED = "joined"


def file_of(directory: Path) -> Path:
    """The file that the model server joins the port by, and says in that it has."""
    return directory / "port"


def allow(replicas: Iterable[Path]) -> None:
    """Let these join, and wait for those that were kept off until now: whoever leaves after that leaves a port
    that answers. One that is not ready yet joins when it is.
    """
    late = [directory for directory in replicas if not file_of(directory).exists()]
    for directory in late:
        with contextlib.suppress(OSError):  # of a script that meddles with its own directory
            file_of(directory).touch()
    deadline = time.monotonic() + JOINED_WITHIN
    while any(_is_missing(directory) for directory in late) and time.monotonic() < deadline:
        time.sleep(0.02)


def _is_missing(directory: Path) -> bool:
    if directories.read(directory).phase != Phase.ALIVE:
        return False
    with contextlib.suppress(OSError):
        return file_of(directory).read_text() != JOINED
    return False
