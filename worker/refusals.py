"""Remembers, in this process, which servings' replicas an engine refused to start for no reason of theirs.

Such a refusal may pass: the start is tried again after a pause, and only one that lasts for minutes is held against
the revision.
"""

import time
from dataclasses import dataclass

from serving.models import Serving
from worker.deployers.base import DeployerError

PAUSE_SECONDS = 5.0
SECONDS_FORGIVEN = 180.0


@dataclass(frozen=True)
class Refusal:
    """Of a wish, which is of this generation: since when, as monotonic times, and why it was last."""

    generation: int
    since: float
    last: float
    reason: str


_refusals: dict[int, Refusal] = {}


def reason(serving: Serving) -> str:
    """Why the last start was refused; empty if it was not, or for an older wish."""
    found = _refusals.get(serving.pk)
    return found.reason if found is not None and found.generation == serving.generation else ""


def is_pausing(serving: Serving) -> bool:
    """Whether the engine is to be left alone for now."""
    return bool(reason(serving)) and time.monotonic() < _refusals[serving.pk].last + PAUSE_SECONDS


def note(serving: Serving, error: DeployerError) -> str:
    """What to say of a refusal, with a pause from now."""
    now, found = time.monotonic(), _refusals.get(serving.pk)
    since = found.since if found is not None and found.generation == serving.generation else now
    said = f"{error.reason.rstrip('.')}. It is tried again by itself."
    _refusals[serving.pk] = Refusal(serving.generation, since, now, said)
    return said


def has_lasted(serving: Serving) -> bool:
    """Whether it has been refused for so long that it is no matter of a moment."""
    found = _refusals.get(serving.pk)
    return found is not None and found.last - found.since >= SECONDS_FORGIVEN


def forget(serving: Serving) -> bool:
    """Whether there was one."""
    return _refusals.pop(serving.pk, None) is not None
