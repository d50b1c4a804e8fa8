"""Lanes come and go with the servings that are asked through topics."""

import logging
import threading
import time
from collections.abc import Callable, Mapping

from worker.streaming.lane import FINISH_SECONDS, Lane
from worker.streaming.wanted import Stream

log = logging.getLogger(__name__)


class Lanes:
    """The lanes at work, each in a thread of its own. One is begun only after the same serving's last has ended."""

    def __init__(self, make: Callable[[Stream], Lane]) -> None:
        self._make = make
        self._at_work: dict[Stream, _AtWork] = {}
        self._ending: list[_AtWork] = []

    def follow(self, wanted: set[Stream]) -> None:
        """Begin what is wanted and end what is not; both come about soon after. One that cannot be begun, or has ended
        by itself, is begun the next time.
        """
        for stream in self._at_work.keys() - wanted:
            self._end(self._at_work.pop(stream))
        for stream in [stream for stream, each in self._at_work.items() if not each.thread.is_alive()]:
            log.warning("The requests of %s ended by themselves, and are begun again", stream.serving)
            del self._at_work[stream]
        self._ending = [each for each in self._ending if each.thread.is_alive()]
        busy = {each.stream.serving_id for each in self._ending}
        for stream in wanted - self._at_work.keys():
            if stream.serving_id not in busy:
                self._begin(stream)

    def close(self) -> None:
        """End all of them, with a little time for what is being asked."""
        for each in self._at_work.values():
            self._end(each)
        self._at_work = {}
        deadline = time.monotonic() + FINISH_SECONDS + 2
        for each in self._ending:
            each.thread.join(max(0.0, deadline - time.monotonic()))
        if left := [each.stream.serving for each in self._ending if each.thread.is_alive()]:
            log.warning("The requests of %s did not end in time; they come again", ", ".join(left))

    @property
    def at_work(self) -> Mapping[Stream, "_AtWork"]:
        return self._at_work

    def _begin(self, stream: Stream) -> None:
        try:
            self._at_work[stream] = _AtWork(stream, self._make(stream))
        except Exception:  # as where there can be no more threads
            log.exception("The requests of %s cannot be begun", stream.serving)

    def _end(self, each: "_AtWork") -> None:
        each.over.set()
        self._ending.append(each)


class _AtWork:
    """A lane and its thread, which never keeps the process from ending."""

    def __init__(self, stream: Stream, lane: Lane) -> None:
        self.stream = stream
        self.over = threading.Event()
        self.thread = threading.Thread(
            target=lane.run, args=[self.over], name=f"stream of {stream.serving}", daemon=True
        )
        self.thread.start()
