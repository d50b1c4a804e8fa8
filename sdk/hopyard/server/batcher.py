"""Micro-batching without a timer: what arrives while a batch is predicted is the next batch.

The first arrival schedules a flush for the end of this turn of the event loop, so one caller alone waits
for nothing. A batch that fails, or answers with the wrong number of rows, is predicted again call by call:
one bad request never fails another's.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, Protocol

from hopyard.server import timings
from hopyard.server.bodies.tensors import numpy_module
from hopyard.server.flavors import Alone
from hopyard.server.runners import Abandoned, Done, Job
from hopyard.server.timings import Times

ALONE_BYTES = 32 * 1024
LOOK_AGAIN_SHARE = 0.1

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """At most so many rows and request bytes in one batch; with `wait`, so many seconds to fill it. `only` names
    the exchanges whose operations may be batched; None is all of them.
    """

    rows: int = 64
    size: int = 256 * 1024
    wait: float = 0.0
    only: frozenset[str] | None = None


class RowsJob(Job, Protocol):
    """A job whose payload is rows, in a list or an array; `size` is that of its request in bytes."""

    @property
    def size(self) -> int: ...


class Batch:
    """Several jobs joined into one; they are joined where they are run, so that a failure to is a failed batch."""

    abandoned = False

    def __init__(self, jobs: Sequence[RowsJob]) -> None:
        self.jobs = jobs
        self.timed = jobs[0].timed
        self.times: Times | None = None
        self.rows = sum([len(job.payload) for job in jobs])
        self.retries = len(jobs)
        self.started = perf_counter()

    @property
    def payload(self) -> Any:
        return _joined([job.payload for job in self.jobs])

    def cut(self, answers: Any) -> list[Any] | None:
        """Give each job its part of the answers; None if they are not one per row, or refuse to be cut."""
        if _count(answers) != self.rows:
            return None
        parts, start = [], 0
        try:
            at = getattr(answers, "iloc", answers)
            for job in self.jobs:
                end = start + len(job.payload)
                parts.append(at[start:end])
                start = end
        except BaseException:  # code of the answer's own class
            return None
        return parts


class Batcher:
    """Gathers the jobs of one operation, and has at most `slots` batches predicted at a time. `done` is called
    once for each job.
    """

    def __init__(
        self,
        run: Callable[[Any, Done], None],
        done: Done,
        limits: BatchLimits,
        loop: asyncio.AbstractEventLoop,
        *,
        slots: int = 1,
    ) -> None:
        self._run = run
        self._done = done
        self._limits = limits
        self._loop = loop
        self._slots = slots
        self._waiting: deque[RowsJob] = deque()
        self._running = 0
        self._gathering = False
        self._timer: asyncio.TimerHandle | None = None
        self._rowwise = True
        self._gathering_since = 0.0
        self._seen = 0
        self._last_seconds = 0.0

    def __call__(self, job: RowsJob) -> None:
        if not self._rowwise or type(job.payload) is Alone:
            self._run(job, self._done)
            return
        self._waiting.append(job)
        if not self._gathering:
            if self._running < self._slots:
                self._gather(0.0 if self._is_full else self._limits.wait)
        elif self._timer is not None and self._is_full:
            self._timer.cancel()
            self._time_is_up()

    @property
    def _is_full(self) -> bool:
        return sum(len(job.payload) for job in self._waiting) >= self._limits.rows

    def _gather(self, wait: float = 0.0) -> None:
        self._gathering = True
        self._gathering_since = perf_counter()
        self._seen = 0
        if wait:
            self._timer = self._loop.call_later(wait, self._time_is_up)
        else:
            self._loop.call_soon(self._flush)

    def _time_is_up(self) -> None:
        self._timer = None
        self._gather()

    def _flush(self) -> None:
        if self._worth_another_look():
            self._seen = len(self._waiting)
            self._loop.call_soon(self._flush)
            return
        self._gathering = False
        jobs = self._take()
        if not jobs:
            return
        self._running += 1
        if len(jobs) == 1:
            self._run(jobs[0], self._on_single)
        else:
            self._run(Batch(jobs), self._on_batch)
        if self._running < self._slots:
            self._go_on()

    def _go_on(self) -> None:
        """What came while a batch was predicted has waited long enough."""
        if self._waiting and not self._gathering:
            self._gather()

    def _ended(self) -> None:
        self._running -= 1
        self._go_on()

    def _worth_another_look(self) -> bool:
        """Requests are still coming in, and looking costs little beside the last batch."""
        waiting = len(self._waiting)
        if not self._seen < waiting < self._limits.rows:
            return False
        spent = perf_counter() - self._gathering_since
        return spent < LOOK_AGAIN_SHARE * self._last_seconds

    def _take(self) -> list[RowsJob]:
        jobs: list[RowsJob] = []
        rows = size = 0
        kind: Any = None
        waiting, most_rows, most_bytes = self._waiting, self._limits.rows, self._limits.size
        while waiting:
            job = waiting[0]
            payload = job.payload
            rows += len(payload)
            size += job.size
            its_kind = None if type(payload) is list else _kind(payload)
            too_much = rows > most_rows or size > most_bytes or job.size > ALONE_BYTES
            if jobs and (too_much or its_kind != kind or not self._rowwise):
                break
            kind = its_kind
            waiting.popleft()
            if job.abandoned:
                self._done(job, None, Abandoned())
                rows, size = rows - len(payload), size - job.size
                continue
            jobs.append(job)
            if too_much:
                break
        return jobs

    def _on_single(self, job: RowsJob, value: Any, error: BaseException | None) -> None:
        self._last_seconds = perf_counter() - self._gathering_since
        self._done(job, value, error)
        self._ended()

    def _on_batch(self, batch: Batch, answers: Any, error: BaseException | None) -> None:
        self._last_seconds = perf_counter() - batch.started
        parts = batch.cut(answers) if error is None else None
        if parts is not None:
            timings.share(batch.times, batch.jobs)
            for job, part in zip(batch.jobs, parts, strict=True):
                self._done(job, part, None)
            self._ended()
            return
        if error is None:
            self._rowwise = False
            log.warning(
                "Batching is off: %d rows were predicted together and %s answers came back in a %s",
                batch.rows,
                _count(answers),
                type(answers).__name__,
            )
        for job in batch.jobs:
            self._run(job, partial(self._on_retry, batch))

    def _on_retry(self, batch: Batch, job: RowsJob, value: Any, error: BaseException | None) -> None:
        self._done(job, value, error)
        batch.retries -= 1
        if not batch.retries:
            self._ended()


def _kind(payload: Any) -> Any:
    """Payloads of the same kind can be joined: lists, of kind None, and arrays or frames of the same rows."""
    if hasattr(payload, "columns"):
        return tuple(payload.columns), tuple(payload.dtypes)
    return payload.dtype, payload.shape[1:]


def _joined(payloads: list[Any]) -> Any:
    if type(payloads[0]) is list:
        return [row for payload in payloads for row in payload]
    if hasattr(payloads[0], "columns"):
        import pandas as pd

        return pd.concat(payloads, ignore_index=True)
    return numpy_module().concatenate(payloads)


def part_of(answers: Any, start: int, end: int, rows: int) -> Any:
    """Cut out the answers to the rows from `start` to `end`; None if they are not one per row."""
    try:
        if _count(answers) != rows:
            return None
        return getattr(answers, "iloc", answers)[start:end]
    except BaseException:  # code of the answer's own class
        return None


def _count(answers: Any) -> int | None:
    """Number of rows in an answer that can be cut, or None."""
    try:
        if isinstance(answers, str | bytes | dict | set | frozenset) or not hasattr(answers, "__getitem__"):
            return None
        return len(answers)
    except BaseException:  # code of the answer's own class
        return None
