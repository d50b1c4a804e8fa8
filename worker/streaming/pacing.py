"""When what was read is committed, and what is remembered of requests that failed before."""

from dataclasses import dataclass

COMMIT_EVERY_SECONDS = 0.25
HOLD_AFTER_SECONDS = 1.0
HOLD_SECONDS = 0.25
MOST_UNCOMMITTED = 10_000
REMEMBERED = 10_000

Place = tuple[str, int]
"""Partition and offset."""


@dataclass
class Pace:
    """When to commit: whenever nothing is under way; where that does not come about by itself, no more is read for a
    moment, or, with very many requests not committed, until all are answered.
    """

    uncommitted: int = 0
    since: float = 0.0  # when the first of them was read
    held_at: float = 0.0

    def was_read(self, messages: int, now: float) -> None:
        if messages and not self.uncommitted:
            self.since = now
        self.uncommitted += messages

    def is_due(self, now: float, *, is_idle: bool) -> bool:
        return self.uncommitted > 0 and (is_idle or now - self.since >= COMMIT_EVERY_SECONDS)

    def may_read(self, now: float, *, is_waiting: bool) -> bool:
        """`is_waiting`: some request waits to be asked again, so that the moment is not near."""
        if self.uncommitted >= MOST_UNCOMMITTED:
            return False
        if not self.uncommitted or is_waiting or now - self.since < HOLD_AFTER_SECONDS:
            return True
        if now - self.held_at > HOLD_AFTER_SECONDS:
            self.held_at = now
        return now - self.held_at > HOLD_SECONDS

    def committed(self) -> None:
        self.uncommitted, self.held_at = 0, 0.0


class Memory(dict[Place, int]):
    """How often requests have failed, over sessions, so that one that ends replicas is not asked for ever."""

    def note(self, place: Place, failed: int) -> None:
        self[place] = failed
        if len(self) > REMEMBERED:
            del self[next(iter(self))]
