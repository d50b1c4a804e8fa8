"""The third place where calls go: CloudEvents to a collector. Its threads keep nobody waiting, and it keeps nothing."""

import logging
import threading
from collections import deque

from hopyard.server.inference_log.encoding import Told
from hopyard.server.inference_log.pairs import Event, Pairs
from hopyard.server.inference_log.sinks.collector import Collector, NotTaken, place_of

SENDERS = 4
MOST_WAITING = 1_000
MOST_BYTES = 16 * 1024 * 1024
PAUSES = (0.1, 0.5)  # between the tries of one event, in seconds

log = logging.getLogger(__name__)


class EventsSink:
    """A bounded queue and some threads. What finds no room in it, or no collector after some tries, is dropped and
    counted. A collector that failed is tried once an event until it takes one.
    """

    def __init__(self, url: str, pairs: Pairs) -> None:
        self.sent = 0
        self.dropped = 0
        self._url = url
        self._place = place_of(url)
        self._pairs = pairs
        self._waiting: deque[Event] = deque()
        self._bytes = 0
        self._under_way = 0
        self._changed = threading.Condition()
        self._is_closing = False
        self._given_up = threading.Event()
        self._is_failing = False
        for number in range(SENDERS):
            threading.Thread(target=self._run, name=f"events-{number}", daemon=True).start()

    @property
    def waiting(self) -> int:
        """Events that are neither sent nor dropped yet."""
        return len(self._waiting) + self._under_way

    def put(self, told: Told) -> None:
        """Give the events of one call; never waits."""
        events = list(self._pairs.of(told))
        with self._changed:
            for event in events:
                size = len(event.body)
                if self._is_closing or len(self._waiting) >= MOST_WAITING or self._bytes + size > MOST_BYTES:
                    self.dropped += 1
                    continue
                self._bytes += size
                self._waiting.append(event)
            self._changed.notify_all()

    def close(self, seconds: float) -> None:
        """Send what waits, for at most this long; what is left then is dropped."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self.waiting, seconds)
            self.dropped += self.waiting
            self._waiting.clear()
            self._given_up.set()

    def _run(self) -> None:
        collector = Collector(self._url)
        while (event := self._next()) is not None:
            is_sent = self._deliver(collector, event)
            with self._changed:
                self._under_way -= 1
                self._bytes -= len(event.body)
                if not self._given_up.is_set():
                    self.sent += is_sent
                    self.dropped += not is_sent
                self._changed.notify_all()
        collector.close()

    def _next(self) -> Event | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closing)
            if not self._waiting:
                return None
            self._under_way += 1
            return self._waiting.popleft()

    def _deliver(self, collector: Collector, event: Event) -> bool:
        for pause in (*(() if self._is_failing else PAUSES), 0.0):
            try:
                collector.post(event)
            except NotTaken as error:
                why, may_pass = str(error), error.may_pass
            except Exception as error:  # a header that cannot be sent at all; its text may quote it
                why, may_pass = f"one of them cannot be written ({type(error).__name__})", False
            else:
                self._say_well()
                return True
            if not may_pass or self._given_up.wait(pause):
                break
        self._say_failing(why)
        return False

    def _say_failing(self, why: str) -> None:
        if not self._is_failing:
            self._is_failing = True
            log.warning("CloudEvents cannot be sent to %s and are dropped: %s", self._place, why)

    def _say_well(self) -> None:
        if self._is_failing:
            self._is_failing = False
            log.warning("CloudEvents are sent to %s again; %s were dropped", self._place, self.dropped)
