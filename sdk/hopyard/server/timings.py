"""When a call's operation ran, and how long its stages took, for the inference log; nothing where there is none.

A job that is `timed` is told by whoever runs it; calls that are predicted together share what their batch was told.
Stages report their seconds to the metrics, from any thread, and are noted for whatever is being run where they report.
"""

from collections.abc import Callable, Coroutine, Iterable
from contextvars import ContextVar
from time import perf_counter
from typing import Any, Protocol

NEVER = 0.0
UNKNOWN = -1.0


class Times:
    """When a run began and ended, by `perf_counter`, and the seconds of its stages, as far as they are known.

    `prepared` seconds of them were spent before it. `spent` is what `spend` returned, for others that share these.
    """

    __slots__ = ("began", "ended", "prepared", "spent", "stages")

    def __init__(self) -> None:
        self.began = NEVER
        self.ended = NEVER
        self.prepared = 0.0
        self.stages: dict[str, float] | None = None
        self.spent: tuple[float, float, float] | None = None

    def spend(self) -> tuple[float, float, float]:
        """The seconds of preprocess, predict and postprocess; what is not known is UNKNOWN. Once all of it is over."""
        stages = self.stages
        run = self.ended - self.began
        if not stages:
            self.spent = (UNKNOWN, run, UNKNOWN)
        else:
            predict = stages.get("predict", stages.get("explain", run))
            self.spent = (stages.get("preprocess", UNKNOWN), predict, stages.get("postprocess", UNKNOWN))
        return self.spent

    def add(self, stage: str, seconds: float) -> None:
        if self.stages is None:
            self.stages = {}
        self.stages[stage] = self.stages.get(stage, 0.0) + seconds


class HasTimes(Protocol):
    """What is run, and wants to know how long it took."""

    times: Times | None


class Timed(HasTimes, Protocol):
    @property
    def payload(self) -> Any: ...


_running: ContextVar[Times | None] = ContextVar("times", default=None)


def run(function: Callable[[Any], Any], job: Timed) -> Any:
    """Call a function for a job, and tell it when."""
    times = _begun(job)
    token = _running.set(times)
    try:
        return function(job.payload)
    finally:
        times.ended = perf_counter()
        _running.reset(token)


async def await_(function: Callable[[Any], Coroutine[Any, Any, Any]], job: Timed) -> Any:
    """Await a function for a job, in a task of its own, and tell it when."""
    times = _begun(job)
    _running.set(times)
    try:
        return await function(job.payload)
    finally:
        times.ended = perf_counter()


def note(stage: str, seconds: float) -> None:
    """A stage of what is being run here took so long."""
    times = _running.get()
    if times is not None:
        times.add(stage, seconds)


def add(job: HasTimes, stage: str, seconds: float) -> None:
    """A stage of this job took so long, in a run of its own."""
    _of(job).add(stage, seconds)


def share(times: Times | None, jobs: Iterable[HasTimes]) -> None:
    """All of these were run together."""
    if times is None:
        return
    for job in jobs:
        if job.times is None:
            job.times = times
        else:
            own = _begun(job)
            own.began, own.ended = times.began, times.ended
            for stage, seconds in (times.stages or {}).items():
                own.add(stage, seconds)


def _begun(job: HasTimes) -> Times:
    """The times of a job that is run from now on; what it has been through before was its preparation."""
    times = _of(job)
    if times.stages:
        times.prepared = sum(times.stages.values())
    times.began = perf_counter()
    return times


def _of(job: HasTimes) -> Times:
    if job.times is None:
        job.times = Times()
    return job.times
