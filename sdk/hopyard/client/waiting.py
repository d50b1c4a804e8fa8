"""Waiting for a serving to run."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep

from hopyard.client.errors import ServingFailed, TimedOut
from hopyard.client.records import Failure, Serving

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 2.0


def until_running(look: Callable[[], Serving], answers: Callable[[Serving], bool], timeout: float) -> Serving:
    """Look again and again, ever less often, until the serving answers with the revision it should.

    Raises ServingFailed, or TimedOut after `timeout` seconds.
    """
    deadline = monotonic() + timeout
    pause = FIRST_PAUSE_SECONDS
    while True:
        serving = look()
        if serving.is_running and answers(serving):
            return serving
        if failure := why_never(serving):
            raise ServingFailed(serving.name, failure.code, failure.reason, failure.evidence)
        if monotonic() + pause > deadline:
            raise TimedOut(_still(serving, timeout))
        sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)


def why_never(serving: Serving) -> Failure | None:
    """Why no waiting will make it answer with its revision, or None if that may still come.

    A running serving that keeps its failure answers with the revision before. A failed one without a
    failure has just been asked to start again, and its status is still that of the attempt before.
    """
    if serving.status == "Failed" or serving.is_running:
        return serving.failure
    if serving.status in ("Stopping", "Stopped") and serving.wanted_replicas == 0:
        return Failure("stopped", "It is stopped, or was while we waited: start it first.")
    return None


def _still(serving: Serving, timeout: float) -> str:
    reason = f": {serving.condition.reason}" if serving.condition.reason else ""
    return f"Serving {serving.name} is still {serving.status} after {timeout:g} seconds{reason}"
