"""How a Docker engine writes times and ends of processes, in containers and in a Swarm's tasks alike."""

import signal
from datetime import UTC, datetime

MICROSECONDS = len("2026-01-01T00:00:00.000000")


def time(text: str) -> datetime:
    """The engine writes up to nine digits after the point."""
    return datetime.fromisoformat(text.removesuffix("Z")[:MICROSECONDS]).replace(tzinfo=UTC)


def code_or_signal(status: int) -> tuple[int | None, int | None]:
    """A container's init ends with 128 and the number of the signal that ended its child."""
    if status - 128 in set(signal.Signals):
        return None, status - 128
    return status, None
