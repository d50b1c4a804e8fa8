"""Writes a tool's output into a row's log while it comes, often enough to be read live."""

import contextlib
import time
from typing import Any

from django.db import OperationalError

from worker.environments.leases import Rows

PAUSE_SECONDS = 0.5
MOST_CHARACTERS = 200 * 1024


class LiveLog:
    """Called with each line, or with nothing now and then so that what waits gets written."""

    def __init__(self, rows: Rows, pk: int) -> None:
        manager: Any = rows._default_manager
        self._row = manager.filter(pk=pk)
        self._text = ""
        self._is_behind = False
        self._written_at = 0.0

    def __call__(self, line: str) -> None:
        if line:
            self._text = f"{self._text}{line}\n"[-MOST_CHARACTERS:]
            self._is_behind = True
        if self._is_behind and time.monotonic() - self._written_at > PAUSE_SECONDS:
            self.flush()

    def flush(self) -> None:
        with contextlib.suppress(OperationalError):  # a busy database is no reason to give up a build
            self._row.update(log=self._text)
        self._is_behind = False
        self._written_at = time.monotonic()
