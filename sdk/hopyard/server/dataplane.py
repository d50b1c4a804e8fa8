"""What the server can do, whatever the protocol: infer, tell whether it is ready, and describe itself."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from hopyard.server.batcher import Batcher, BatchLimits, RowsJob
from hopyard.server.failures import one_line
from hopyard.server.flavors import Model, Operation
from hopyard.server.runners import Abandoned, Coroutines, ModelThread, Runner

PROBE_SECONDS = 2.0

log = logging.getLogger(__name__)


class Call(RowsJob, Protocol):
    """One inference under way; `finish` is called exactly once, on the event loop."""

    def finish(self, value: Any, error: BaseException | None) -> None: ...


class NoSuchOperation(Exception):
    """The model has no such verb."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether predictions can be expected to work, and why not."""

    ready: bool
    reason: str
    consecutive_failures: int
    last_error: str | None


class DataPlane:
    """One model: the only door to user code once it is loaded."""

    def __init__(
        self,
        name: str,
        *,
        thread: ModelThread,
        loop: asyncio.AbstractEventLoop,
        batching: BatchLimits | None,
        stuck_seconds: float,
    ) -> None:
        self.name = name
        self.model: Model | None = None
        self.reason = "The model is loading."
        self.consecutive_failures = 0
        self.last_error: str | None = None
        self._thread = thread
        self._coroutines = Coroutines(loop)
        self._loop = loop
        self._batching = batching
        self._stuck_seconds = stuck_seconds
        self._submit: dict[str, Callable[[Call], None]] = {}

    @property
    def accepting(self) -> bool:
        """Whether an inference is taken at all; still true while draining."""
        return self.model is not None

    @property
    def verbs(self) -> list[str]:
        return list(self._submit)

    def serve(self, model: Model) -> None:
        """Accept inferences from now on; everything about how to run them is decided here."""
        self._submit = {verb: self._door(operation) for verb, operation in model.operations.items()}
        self.model = model
        self.reason = ""

    def stop(self, reason: str) -> None:
        """Not ready any more; what still arrives is answered."""
        self.reason = reason

    def infer(self, verb: str, call: Call) -> None:
        """Run one inference. Raises NoSuchOperation; any other outcome reaches `call.finish`."""
        submit = self._submit.get(verb)
        if submit is None:
            raise NoSuchOperation(verb)
        submit(call)

    async def warm_up(self, model: Model, rows: Any) -> Any:
        """Make one prediction before `serve`, the way requests will be made."""
        operation = next(iter(model.operations.values()))
        if operation.is_async:
            return await operation.run(rows)
        return await self._thread.call(lambda: operation.run(rows))

    @property
    def trouble(self) -> str:
        """Why no prediction can be expected to work, as far as is known without a probe; empty if nothing."""
        seconds = self._thread.call_seconds
        if self.reason or seconds <= self._stuck_seconds:
            return self.reason
        return f"A prediction has been running for {seconds:.0f} s."

    async def readiness(self) -> Readiness:
        """Ready means loaded, and a no-op passes where predictions pass (or one is being made, not for ever)."""
        reason = self.trouble or await self._probe()
        return Readiness(not reason, reason or "Ready.", self.consecutive_failures, self.last_error)

    def failed(self, error: BaseException) -> None:
        """Count a prediction the user's code could not make."""
        self.consecutive_failures += 1
        self.last_error = one_line(error)

    async def _probe(self) -> str:
        if not self._thread.alive:
            return "The thread that runs predictions has ended."
        if self._thread.busy:
            return ""
        try:
            await asyncio.wait_for(self._thread.call(lambda: None), PROBE_SECONDS)
        except TimeoutError:
            if not self._thread.busy:
                return f"The thread that runs predictions has not answered for {PROBE_SECONDS:g} s."
        return ""

    def _door(self, operation: Operation) -> Callable[[Call], None]:
        run = Runner(operation, self._thread, self._coroutines)
        if self._batching and operation.is_rowwise:
            return Batcher(run, self._finish, self._batching, self._loop)
        return lambda call: run(call, self._finish)

    def _finish(self, call: Call, value: Any, error: BaseException | None) -> None:
        if error is None:
            self.consecutive_failures = 0
        elif not isinstance(error, Abandoned):
            self.failed(error)
        try:
            call.finish(value, error)
        except Exception:
            # One answer that cannot be given must not keep the others of its batch waiting.
            log.exception("An answer could not be given")
