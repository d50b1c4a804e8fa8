"""Where user code runs: sync code in the model's own threads, async code awaited on the event loop.

Both take a job (what to do it with) and call `done(job, value, error)` on the event loop, exactly once.
"""

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from time import monotonic
from typing import Any, Protocol

from hopyard.server import timings
from hopyard.server.flavors import Operation
from hopyard.server.timings import Times


class Job(Protocol):
    """Work for an operation. `abandoned` turns true when nobody waits for the answer any more; one that is `timed`
    is told when it was run.
    """

    @property
    def payload(self) -> Any: ...
    @property
    def abandoned(self) -> bool: ...
    @property
    def timed(self) -> bool: ...

    times: Times | None


Done = Callable[[Any, Any, BaseException | None], None]
Function = Callable[[Any], Any]


class Abandoned(Exception):
    """The caller left before the work was started."""


class ModelThread:
    """One thread per model (more if asked): it loads the model, then makes every sync call, one at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, size: int = 1) -> None:
        self._loop = loop
        self._jobs: SimpleQueue[tuple[Function, Job, Done] | None] = SimpleQueue()
        self._began: list[float | None] = []
        self._threads: list[threading.Thread] = []
        self._call: _Call | None = None
        self.grow(size)

    def grow(self, size: int) -> None:
        """Have so many threads; never fewer than before."""
        for number in range(len(self._threads), size):
            self._began.append(None)
            thread = threading.Thread(target=self._work, args=(number,), name="model", daemon=True)
            self._threads.append(thread)
            thread.start()

    @property
    def alive(self) -> bool:
        return all(thread.is_alive() for thread in self._threads)

    @property
    def busy(self) -> bool:
        """No thread is free."""
        return None not in self._began

    @property
    def call_seconds(self) -> float:
        """How long the longest of the calls being made has been running; 0 between calls."""
        running = [began for began in self._began if began is not None]
        return monotonic() - min(running) if running else 0.0

    def run(self, function: Function, job: Job, done: Done) -> None:
        self._jobs.put((function, job, done))

    async def call(self, function: Callable[[], Any]) -> Any:
        """Run something once and wait for it; for loading and probing, not for predictions."""
        call = _Call(self._loop, function)
        self.run(call, _ONCE, call.settle)
        return await call.result()

    def answer_and_go_on(self, value: Any) -> None:
        """From inside a `call` in the first thread: give its result now, and make predictions until `stop`.

        For scripts that start their server themselves: their own call returns when the server stops.
        """
        call = self._call
        if call is None:
            raise RuntimeError("no call is being made in this thread")
        self._loop.call_soon_threadsafe(call.settle, _ONCE, value, None)
        self._began[0] = None
        self._work(0)

    def stop(self) -> None:
        """End the threads after what is queued."""
        for _ in self._threads:
            self._jobs.put(None)

    def join(self, seconds: float) -> None:
        """Wait for the threads to end, the script's own last words included."""
        deadline = monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - monotonic()))

    def _work(self, number: int) -> None:
        began = self._began
        while (item := self._jobs.get()) is not None:
            function, job, done = item
            value, error = None, None
            began[number] = monotonic()
            if type(function) is _Call:
                self._call = function
            try:
                if job.abandoned:
                    raise Abandoned
                value = timings.run(function, job) if job.timed else function(job.payload)
            except BaseException as raised:
                error = raised
            began[number] = None
            self._call = None
            try:
                self._loop.call_soon_threadsafe(done, job, value, error)
            except RuntimeError:  # the loop has ended, and nobody waits any more
                return
            del item, function, job, done, value, error


class _Call:
    """A function that is run once, and the future of its result."""

    def __init__(self, loop: asyncio.AbstractEventLoop, function: Callable[[], Any]) -> None:
        self._function = function
        self._future: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()

    def __call__(self, _: Any) -> Any:
        return self._function()

    def settle(self, _: Job, value: Any, error: BaseException | None) -> None:
        if not self._future.done():
            self._future.set_result((value, error))  # a future refuses StopIteration as its exception

    async def result(self) -> Any:
        value, error = await self._future
        if error is not None:
            raise error
        return value


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
            value = await (timings.await_(function, job) if job.timed else function(job.payload))
        except BaseException as raised:
            error = raised
        done(job, value, error)


class _Once:
    payload = None
    abandoned = timed = False
    times: Times | None = None


_ONCE = _Once()


class Runner:
    """An operation tied to the place it runs in."""

    __slots__ = ("_function", "_run")

    def __init__(self, operation: Operation, thread: ModelThread, coroutines: Coroutines) -> None:
        self._function = operation.run
        self._run = coroutines.run if operation.is_async else thread.run

    def __call__(self, job: Job, done: Done) -> None:
        self._run(self._function, job, done)
