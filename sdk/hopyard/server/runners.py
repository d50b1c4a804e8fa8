"""Where user code runs: sync code in the model's own thread, async code awaited on the event loop.

Both take a job (what to do it with) and call `done(job, value, error)` on the event loop, exactly once.
"""

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from time import monotonic
from typing import Any, Protocol

from hopyard.server.flavors import Operation


class Job(Protocol):
    """Work for an operation. `abandoned` turns true when nobody waits for the answer any more."""

    @property
    def payload(self) -> Any: ...
    @property
    def abandoned(self) -> bool: ...


Done = Callable[[Any, Any, BaseException | None], None]
Function = Callable[[Any], Any]


class Abandoned(Exception):
    """The caller left before the work was started."""


class ModelThread:
    """One thread per model: it loads the model, then makes every sync call, one at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._call_began: float | None = None
        self._loop = loop
        self._jobs: SimpleQueue[tuple[Function, Job, Done]] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="model", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def busy(self) -> bool:
        return self._call_began is not None

    @property
    def call_seconds(self) -> float:
        """How long the call being made has been running; 0 between calls."""
        began = self._call_began
        return 0.0 if began is None else monotonic() - began

    def run(self, function: Function, job: Job, done: Done) -> None:
        self._jobs.put((function, job, done))

    async def call(self, function: Callable[[], Any]) -> Any:
        """Run something once and wait for it; for loading and probing, not for predictions."""
        future: asyncio.Future[tuple[Any, BaseException | None]] = self._loop.create_future()

        def settle(_: Job, value: Any, error: BaseException | None) -> None:
            if not future.done():
                future.set_result((value, error))  # a future refuses StopIteration as its exception

        self.run(lambda _: function(), _Once(), settle)
        value, error = await future
        if error is not None:
            raise error
        return value

    def _work(self) -> None:
        while True:
            function, job, done = self._jobs.get()
            value, error = None, None
            self._call_began = monotonic()
            try:
                if job.abandoned:
                    raise Abandoned
                value = function(job.payload)
            except BaseException as raised:
                error = raised
            self._call_began = None
            try:
                self._loop.call_soon_threadsafe(done, job, value, error)
            except RuntimeError:  # the loop has ended, and nobody waits any more
                return
            del function, job, done, value, error


class Coroutines:
    """Awaits async operations on the event loop, as many at a time as there are callers."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, function: Function, job: Job, done: Done) -> None:
        task = self._loop.create_task(self._await(function, job, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _await(self, function: Function, job: Job, done: Done) -> None:
        value, error = None, None
        try:
            if job.abandoned:
                raise Abandoned
            value = await function(job.payload)
        except BaseException as raised:
            error = raised
        done(job, value, error)


class _Once:
    payload = None
    abandoned = False


class Runner:
    """An operation tied to the place it runs in."""

    __slots__ = ("_function", "_run")

    def __init__(self, operation: Operation, thread: ModelThread, coroutines: Coroutines) -> None:
        self._function = operation.run
        self._run = coroutines.run if operation.is_async else thread.run

    def __call__(self, job: Job, done: Done) -> None:
        self._run(self._function, job, done)
