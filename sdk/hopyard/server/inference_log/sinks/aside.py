"""A sink that waits for its answers, moved to a thread of its own so that nobody waits with it."""

import queue
import threading
from collections.abc import Sequence
from typing import Protocol

from hopyard.server.inference_log.sinks import SLOW_SECONDS, Parcel
from hopyard.server.inference_log.sinks.posting import Refused


class Waiting(Protocol):
    """`deliver` returns when all values have arrived, and raises Refused, or anything else where a later try may do."""

    name: str

    def deliver(self, values: Sequence[bytes]) -> None: ...
    def close(self) -> None: ...


class Aside:
    """One parcel after the other; what came of them is written into them by `poll`, in the caller's thread."""

    slow_seconds = SLOW_SECONDS

    def __init__(self, inner: Waiting) -> None:
        self.name = inner.name
        self._inner = inner
        self._asked: queue.SimpleQueue[Parcel | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[Parcel, Exception | None]] = queue.SimpleQueue()
        self._open: list[Parcel] = []
        self._has_given_up = False
        threading.Thread(target=self._run, name=f"to {inner.name}", daemon=True).start()

    def send(self, parcel: Parcel) -> None:
        self._open.append(parcel)
        self._asked.put(parcel)

    def poll(self, seconds: float) -> None:
        wait = seconds if self._open else 0.0
        while True:
            try:
                parcel, error = self._done.get(timeout=wait) if wait else self._done.get_nowait()
            except queue.Empty:
                return
            wait = 0.0
            if parcel in self._open:
                self._open.remove(parcel)
                _settle(parcel, error)

    def give_up(self) -> None:
        self._has_given_up = True
        self.poll(0)
        for parcel in self._open:
            parcel.fail(parcel.values, f"{self.name} did not answer in time")
        self._open.clear()

    def close(self) -> None:
        self._asked.put(None)

    def _run(self) -> None:
        while (parcel := self._asked.get()) is not None:
            error: Exception | None = None
            if not self._has_given_up:
                try:
                    self._inner.deliver(parcel.values)
                except Exception as caught:
                    error = caught
            self._done.put((parcel, error))
            if error is not None and not isinstance(error, Refused):
                self._fail_the_rest(error)
        self._inner.close()

    def _fail_the_rest(self, error: Exception) -> None:
        """Of what was asked meanwhile: each of them would wait as long for the same."""
        for _ in range(self._asked.qsize()):
            parcel = self._asked.get()
            if parcel is None:
                self._asked.put(None)
                return
            self._done.put((parcel, error))


def _settle(parcel: Parcel, error: Exception | None) -> None:
    if error is None:
        parcel.deliver(parcel.left)
    elif isinstance(error, Refused):
        parcel.refuse(error.lines, str(error))
        parcel.deliver(parcel.left)
    else:
        parcel.fail(parcel.values, str(error) or type(error).__name__)
