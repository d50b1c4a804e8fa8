"""Decides where values go: to the sink while it takes them, else to the spill, and from there to the sink again.

New values never queue behind spilled ones: both go side by side, so that a long outage delays nobody after it. Where
the sink is away, the oldest of the spill are sent from time to time to see whether it is back.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hopyard.server.inference_log.shipping.reporting import Reporting
from hopyard.server.inference_log.sinks import Parcel, Sink
from hopyard.server.inference_log.spill import Chunk, Spill

MOST_HELD_BYTES = 16 * 1024 * 1024
"""Of what is under way. A batch is called taken once it has arrived or is in a file, so that it survives us; the server
keeps it until then, and has room for twice as much.
"""
HEAD_BYTES = 200  # of a record in the server, at the least
PAUSES = (0.25, 0.5, 1.0, 2.0)  # before the sink is asked again, in seconds
IDLE_SECONDS = 0.02
PROBED, DRAINED = 50, 1000  # values sent of the spill while the sink is away, and when it is back


@dataclass(slots=True)
class Counts:
    """Since the start; `spilled` are among the sent ones too, once they are."""

    sent: int = 0
    spilled: int = 0
    dropped: int = 0


class Delivery:
    """For one thread, which calls `tick` again and again. `taken` gets the numbers of batches that are done with."""

    def __init__(
        self,
        sink: Sink,
        spill: Spill,
        *,
        taken: Callable[[int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts = Counts()
        self._sink = sink
        self._spill = spill
        self._taken = taken
        self._clock = clock
        self._reporting = Reporting(sink.name)
        self._away = ""  # why; empty while the sink takes what it is given
        self._failures = 0
        self._next_probe = 0.0
        self._open: list[Parcel] = []
        self._held = 0
        self._draining: tuple[Parcel, Chunk] | None = None

    @property
    def is_away(self) -> bool:
        return bool(self._away)

    @property
    def is_busy(self) -> bool:
        """Whether something may settle soon."""
        return bool(self._open) or self._draining is not None

    @property
    def waiting(self) -> int:
        return self._spill.waiting

    def take(self, values: Sequence[bytes], number: int) -> None:
        """Deliver a batch of the server's."""
        why = self._away or (self._too_slow if self._held >= MOST_HELD_BYTES else "")
        if why:
            self._keep(values, why)
        if why or not values:
            self._taken(number)
            return
        parcel = Parcel(values, began_at=self._clock(), number=number)
        self._send(parcel)
        self._open.append(parcel)
        self._held += _size(values)

    def tick(self, seconds: float = 0.0) -> None:
        """Settle what can be, waiting so long at most for the sink, and go on with the spill."""
        self._sink.poll(seconds)
        now = self._clock()
        for parcel in [parcel for parcel in self._open if parcel.is_settled]:
            self._open.remove(parcel)
            self._settle(parcel)
        if self._open and not self._away and now - self._open[0].began_at > self._sink.slow_seconds:
            self._went_away(f"{self._sink.name} has not answered for {self._sink.slow_seconds:g} s")
        self._drain(now)

    def finish(self, seconds: float, *, is_kept: bool) -> None:
        """Deliver what can be within the time; what cannot is in the spill after it, or dropped. `is_kept`: whether
        somebody else sends on what is left in the spill, so that it need not be waited for.
        """
        deadline = self._clock() + seconds
        while (self.is_busy or self.waiting) and self._clock() < deadline and not (self._away and is_kept):
            self.tick(IDLE_SECONDS)
            if not self.is_busy:
                time.sleep(IDLE_SECONDS)
        self._sink.give_up()
        opened, self._open = self._open, []
        for parcel in opened:
            self.counts.dropped += max(0, parcel.left)
            self._settle(parcel)
        if self._draining is not None:
            self._after_draining(*self._draining)
        self._sink.close()
        if self.waiting:
            self._reporting.left(self.waiting, self._away, is_kept=is_kept)
            self.counts.dropped += 0 if is_kept else self._spill.discard()

    def drop(self, count: int) -> None:
        """So many are lost for good, for a reason that was said elsewhere."""
        self.counts.dropped += count

    def _send(self, parcel: Parcel) -> None:
        try:
            self._sink.send(parcel)
        except Exception as error:  # a sink's own mistake must not end the process
            parcel.fail(parcel.values[len(parcel.values) - parcel.left :], f"{type(error).__name__}: {error}")

    def _settle(self, parcel: Parcel) -> None:
        self._held -= _size(parcel.values)
        self._count(parcel)
        if parcel.failed:
            self._went_away(parcel.reason)
            self._keep(parcel.failed, parcel.reason)
        elif parcel.sent:
            self._came_back()
        if parcel.number is not None:
            self._taken(parcel.number)

    def _count(self, parcel: Parcel) -> None:
        self.counts.sent += parcel.sent
        if parcel.refused:
            self.counts.dropped += parcel.refused
            self._reporting.refused(parcel.refused, parcel.reason)

    def _drain(self, now: float) -> None:
        if self._draining is not None and self._draining[0].is_settled:
            self._after_draining(*self._draining)
        if self._draining is not None or not self._spill.waiting:
            return
        if self._away and (self._open or now < self._next_probe):
            return  # what is under way will tell
        chunk = self._spill.oldest(PROBED if self._away else DRAINED)
        if chunk.values:
            parcel = Parcel(chunk.values, began_at=now)
            self._draining = parcel, chunk
            self._send(parcel)

    def _after_draining(self, parcel: Parcel, chunk: Chunk) -> None:
        """What failed as a whole stays where it is; a part of it is kept anew, for the rest has arrived."""
        self._draining = None
        self._count(parcel)
        if parcel.failed:
            self._went_away(parcel.reason)
            if not parcel.sent and not parcel.refused:
                return
            self.counts.dropped += len(parcel.failed) - self._spill.append(parcel.failed, over=True)
        self._spill.forget(chunk)
        if parcel.sent and not parcel.failed:
            self._came_back()

    def _went_away(self, reason: str) -> None:
        self._away = reason
        pause = PAUSES[min(self._failures, len(PAUSES) - 1)]
        self._failures += 1
        self._next_probe = self._clock() + pause

    def _came_back(self) -> None:
        self._away = ""
        self._failures = 0
        if not self._spill.waiting:
            self._reporting.recovered()

    @property
    def _too_slow(self) -> str:
        return f"{self._sink.name} takes records more slowly than they come"

    def _keep(self, values: Sequence[bytes], why: str) -> None:
        kept = self._spill.append(values)
        self.counts.spilled += kept
        self.counts.dropped += len(values) - kept
        if kept:
            self._reporting.spilled(kept, why)
        if kept < len(values):
            self._reporting.dropped(len(values) - kept, why, self._spill.problem)


def _size(values: Sequence[bytes]) -> int:
    return sum(map(len, values)) + HEAD_BYTES * len(values)
