"""What came of asking a replica, and what follows from it: an answer, another attempt, or a dead letter."""

from dataclasses import dataclass

UNREACHED = 0
LOST = 502
NOT_NOW = frozenset({401, 403, 408, 425, 429, 503})
"""Statuses that say more of the replica and of the moment than of the request."""
MOST_FAILURES = 4
MOST_FAILURES_NOT_NOW = 20
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Reply:
    """A replica's answer. The status is UNREACHED where none could be connected to, LOST where it ended meanwhile and
    504 where it did not answer in time; `problem` says so in words.
    """

    status: int
    body: bytes = b""
    content_type: str = ""
    problem: str = ""
    asked_at: float = 0.0
    seconds: float = 0.0

    @property
    def is_answer(self) -> bool:
        return UNREACHED < self.status < 400


def failures(reply: Reply, before: int) -> int:
    """How often the request has failed by now; that nobody is there is not its fault."""
    return before if reply.is_answer or reply.status == UNREACHED else before + 1


def is_hopeless(reply: Reply, failed: int) -> bool:
    """Whether the request is not asked again, having failed so often."""
    if reply.is_answer or reply.status == UNREACHED:
        return False
    if reply.status in NOT_NOW:
        return failed >= MOST_FAILURES_NOT_NOW
    return reply.status < 500 or failed >= MOST_FAILURES


def pause_seconds(failed: int) -> float:
    """How long to wait before asking again."""
    return float(min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** max(0, failed - 1)))
