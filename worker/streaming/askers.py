"""Threads that ask replicas: as many at a time as are allowed, and no more than are busy."""

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

log = logging.getLogger(__name__)


class Askers:
    """Runs calls in at most `most` threads, which end with the process and never keep it from ending."""

    def __init__(self, most: int, *, name: str) -> None:
        self._most = most
        self._name = name
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._waiting = 0  # calls that were put and have not ended

    def put(self, call: Callable[[], None]) -> None:
        """Raises RuntimeError where there is no thread and none can be started."""
        with self._lock:
            self._waiting += 1
            starts = self._waiting > self._threads and self._threads < self._most
            self._threads += starts
        if starts:
            self._start()
        self._calls.put(call)

    def close(self) -> None:
        """Let the threads end when they have done what was put before."""
        with self._lock:
            threads, self._threads, self._most = self._threads, 0, 0
        for _ in range(threads):
            self._calls.put(None)

    def _start(self) -> None:
        """One more thread; where there can be no more, those that there are do."""
        try:
            threading.Thread(target=self._run, name=self._name, daemon=True).start()
        except RuntimeError as error:
            with self._lock:
                self._threads -= 1
                is_alone = not self._threads
                self._waiting -= is_alone
            if is_alone:
                raise
            log.warning("No more requests of a topic can be asked at a time: %s", error)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call()
            except Exception:
                log.exception("A request from a topic could not be asked")
            with self._lock:
                self._waiting -= 1
