"""Waiting for a serving to run, and for a pre-flight or a replay to end."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from time import monotonic, sleep
from typing import TypeVar

from hopyard.client.errors import ServingFailed, TimedOut
from hopyard.client.replay_records import Replay
from hopyard.client.serving_records import Failure, Preflight, Serving

T = TypeVar("T")

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 2.0
PATIENCE_SECONDS = 600.0
LONGEST_BUILD_SECONDS = 3600.0
"""A resolution and a build may take the platform half an hour each."""

BUILDING = re.compile(r"\b(preparing|resolving|building) the (environment|requirements)\b", re.IGNORECASE)


def until_running(
    look: Callable[[], Serving],
    answers: Callable[[Serving], bool],
    timeout: float | None,
    on_wait: Callable[[Serving], None] | None = None,
) -> Serving:
    """Look again and again, ever less often, until the serving answers with the revision it should.

    Without a `timeout`, in seconds, it has 600 from when its packages are there. Raises ServingFailed, or TimedOut.
    """
    began = monotonic()
    for serving in _looks(look, timeout, is_building):
        if serving.is_running and answers(serving):
            return serving
        if failure := why_never(serving):
            raise ServingFailed(serving.name, failure.code, failure.reason, failure.evidence)
        if on_wait:
            on_wait(serving)
    reason = f": {serving.condition.reason}" if serving.condition.reason else ""
    waited = _waited(timeout, began)
    raise TimedOut(f"Serving {serving.name} is still {serving.status} after {waited} seconds{reason}")


def until_checked(
    look: Callable[[], Preflight],
    timeout: float | None,
    on_wait: Callable[[Preflight], None] | None = None,
) -> Preflight:
    """Look until the pre-flight has ended, passed or failed. Raises TimedOut, by the same clock as until_running."""
    began = monotonic()
    for preflight in _looks(look, timeout, _has_no_packages):
        if preflight.is_finished:
            return preflight
        if on_wait:
            on_wait(preflight)
    doing = next((f": {check.title}" for check in preflight.checks if check.state == "running"), "")
    raise TimedOut(
        f"The pre-flight is still {preflight.state} after {_waited(timeout, began)} seconds{doing}"
    )


def until_replayed(
    look: Callable[[], Replay],
    timeout: float | None,
    on_wait: Callable[[Replay], None] | None = None,
) -> Replay:
    """Look until the replay has ended, whatever came of it. Raises TimedOut, by the same clock as until_running."""
    began = monotonic()
    for replay in _looks(look, timeout, lambda seen: BUILDING.search(seen.step) is not None):
        if replay.is_finished:
            return replay
        if on_wait:
            on_wait(replay)
    raise TimedOut(
        f"Replay {replay.id} has asked {replay.asked} of {replay.total} calls after {_waited(timeout, began)} seconds"
    )


def is_building(serving: Serving) -> bool:
    """Its packages are being resolved or built, which can take long and is not its own time."""
    return BUILDING.search(serving.condition.reason) is not None


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


def _looks(look: Callable[[], T], timeout: float | None, is_building: Callable[[T], bool]) -> Iterator[T]:
    """What is seen, until the time is over. A timeout that was given is kept exactly."""
    began = monotonic()
    deadline = began + (PATIENCE_SECONDS if timeout is None else timeout)
    pause = FIRST_PAUSE_SECONDS
    while True:
        yield (seen := look())
        if timeout is None and is_building(seen) and monotonic() < began + LONGEST_BUILD_SECONDS:
            deadline = monotonic() + PATIENCE_SECONDS
        if monotonic() + pause > deadline:
            return
        sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)


def _has_no_packages(preflight: Preflight) -> bool:
    return any(check.state == "running" and BUILDING.search(check.sentence) for check in preflight.checks)


def _waited(timeout: float | None, began: float) -> str:
    return f"{monotonic() - began:.0f}" if timeout is None else f"{timeout:g}"
