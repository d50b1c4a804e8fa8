"""Where records go. This is the seam between the shipper and its sinks.

A sink is given a `Parcel` of encoded values and says what became of each of them, at once or later. It keeps nothing
itself: what it could not deliver is the shipper's again. One thread uses it.
"""

from collections.abc import Sequence
from typing import Protocol

SLOW_SECONDS = 1.0


class Parcel:
    """Values that were given to a sink together. `number` is that of the batch they came in, if they came in one."""

    __slots__ = ("began_at", "failed", "left", "number", "reason", "refused", "sent", "values")

    def __init__(self, values: Sequence[bytes], *, began_at: float, number: int | None = None) -> None:
        self.values = values
        self.began_at = began_at
        self.number = number
        self.left = len(values)
        self.sent = 0
        self.refused = 0
        self.failed: list[bytes] = []
        self.reason = ""

    @property
    def is_settled(self) -> bool:
        return self.left <= 0

    def deliver(self, count: int) -> None:
        """So many have arrived."""
        self.sent += count
        self.left -= count

    def fail(self, values: Sequence[bytes], reason: str) -> None:
        """These could not be delivered now; later they may be."""
        self.failed.extend(values)
        self.left -= len(values)
        self.reason = reason

    def refuse(self, count: int, reason: str) -> None:
        """So many will never be taken."""
        self.refused += count
        self.left -= count
        self.reason = reason


class Sink(Protocol):
    """`name` is what it is called in the log, such as `the topic's folder`; a parcel that is under way for longer than
    `slow_seconds` means that it is away.
    """

    name: str
    slow_seconds: float

    def send(self, parcel: Parcel) -> None:
        """Begin to deliver; whatever the parcel holds is settled now or by a later `poll`. Waits for nothing that
        is far away.
        """

    def poll(self, seconds: float) -> None:
        """Settle what can be, and wait so long at most for something that can."""

    def give_up(self) -> None:
        """Settle all that is under way: what has not arrived has failed."""

    def close(self) -> None: ...
