"""One model being served: the doors to its operations, whether it is ready, and what it has answered."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from hopyard.server.batcher import Batcher, BatchLimits, RowsJob
from hopyard.server.failures import one_line
from hopyard.server.flavors import Exchange, Model, Operation
from hopyard.server.flavors.mlrun.hosting import STYLE as MLRUN
from hopyard.server.metrics import Counters, Metrics
from hopyard.server.replies import Problem
from hopyard.server.runners import Abandoned, Coroutines, Done, ModelThread, Runner
from hopyard.server.transformers.errands import Errand
from hopyard.server.transformers.front import Behind, Front
from hopyard.server.transformers.transformer import Handlers

PROBE_SECONDS = 2.0

log = logging.getLogger(__name__)


class Call(RowsJob, Protocol):
    """One inference under way; `finish` is called exactly once, on the event loop."""

    @property
    def request_id(self) -> bytes: ...
    @property
    def key_id(self) -> str | None: ...
    def finish(self, value: Any, error: BaseException | None) -> None: ...


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether predictions can be expected to work, and why not."""

    ready: bool
    reason: str
    consecutive_failures: int
    last_error: str | None


class Door:
    """One exchange, ready to be used: everything about how to run it was decided when the model came. `protocol` is
    whose words a call is made in, where HTTP carries no tensors.
    """

    __slots__ = ("counters", "decode", "encode", "hosted", "protocol", "submit", "verb")

    def __init__(
        self,
        hosted: "Hosted",
        verb: str,
        exchange: Exchange,
        *,
        protocol: str,
        submit: Callable[[Call], None],
        counters: Counters,
    ) -> None:
        self.hosted = hosted
        self.verb = str(verb)
        self.protocol = protocol
        self.decode = exchange.decode
        self.encode = exchange.encode
        self.submit = submit
        self.counters = counters


class Hosted:
    """The only door to a model's user code once it is loaded. `batching` is None where it is off;
    `concurrency` sync calls are made at a time, in as many threads.
    """

    def __init__(
        self,
        model: Model,
        *,
        thread: ModelThread,
        loop: asyncio.AbstractEventLoop,
        metrics: Metrics,
        batching: BatchLimits | None,
        stuck_seconds: float,
        concurrency: int = 1,
    ) -> None:
        self.name = model.name
        self.version = model.version
        self.consecutive_failures = 0
        self.last_error: str | None = None
        self.thread = thread
        self._threads: tuple[ModelThread, ...] = (thread,)
        self._coroutines = Coroutines(loop)
        self._loop = loop
        self._metrics = metrics
        self._batching = batching
        self._concurrency = concurrency
        self._stuck_seconds = stuck_seconds
        self.serve(model)

    @property
    def key(self) -> str:
        return self.model.key

    def serve(self, model: Model) -> None:
        """Answer with this model from now on."""
        exchanges = model.exchanges()
        only = self._batching.only if self._batching else None
        joined = {id(each.operation) for key, each in exchanges.items() if only is None or key in only}
        finish = self.finish if model.transformer is None else self._hand_back
        submits = {
            id(each.operation): self._submit(each.operation, finish, may_join=id(each.operation) in joined)
            for each in exchanges.values()
        }

        def door(verb: str, exchange: Exchange, protocol: str) -> Door:
            submit = submits[id(exchange.operation)]
            if front is not None:
                exchange, submit = front.before(verb, exchange, submit)
            counters = self._metrics.counters(self.name, verb or "metadata")
            return Door(self, verb, exchange, protocol=protocol, submit=submit, counters=counters)

        front = self._front(model, submits)
        self.model = model
        own_words = "mlrun" if model.style == MLRUN else "v2"
        self.verbs = {verb: door(verb, exchange, "v1") for verb, exchange in model.verbs.items()}
        self.operations = {
            name: door(name, exchange, own_words) for name, exchange in model.operations.items()
        }
        self.tensors = door("infer", model.tensors, "v2") if model.tensors else None
        self.loaded, self.reason = True, ""

    def withdraw(self, reason: str) -> None:
        """Answer no more, and keep nothing of the model that would hold its memory."""
        self.loaded, self.reason = False, reason
        self.model = replace(
            self.model,
            verbs={},
            tensors=None,
            operations={},
            metadata=None,
            unload=None,
            trouble=lambda: reason,
        )
        self.verbs, self.operations, self.tensors = {}, {}, None

    @property
    def trouble(self) -> str:
        """Why no prediction can be expected to work, as far as is known without a probe; empty if nothing."""
        seconds = max(thread.call_seconds for thread in self._threads)
        if seconds > self._stuck_seconds:
            return f"A prediction has been running for {seconds:.0f} s."
        return self.reason or self.model.trouble()

    async def readiness(self) -> Readiness:
        """Ready means loaded, and a no-op passes where predictions pass (or one is being made, not for ever)."""
        reason = self.trouble or await self._probe()
        return Readiness(not reason, reason or "Ready.", self.consecutive_failures, self.last_error)

    def metadata(self) -> dict[str, Any]:
        """V2 metadata: name, versions, platform, inputs and outputs."""
        told: Mapping[str, Any] = self.model.metadata() if self.model.metadata and self.loaded else {}
        versions = [self.version] if self.version else None
        return {"name": self.name, "versions": versions, "platform": "", "inputs": [], "outputs": [], **told}

    def refusal(self) -> Problem | None:
        """Why this model cannot be asked now, if it cannot."""
        reason = self.reason or self.model.trouble()
        return Problem(503, reason, "NotReady") if reason else None

    def finish(self, call: Call, value: Any, error: BaseException | None) -> None:
        """Keep count of how predictions go, and let the call answer."""
        if error is None:
            self.consecutive_failures = 0
        elif not isinstance(error, Abandoned):
            self.failed(error)
        try:
            call.finish(value, error)
        except Exception:
            # One answer that cannot be given must not keep the others of its batch waiting.
            log.exception("An answer could not be given")

    def failed(self, error: BaseException) -> None:
        """Count a prediction the user's code could not make; what the caller did wrong is no failure."""
        problem = error if isinstance(error, Problem) else self.problem(error)
        if problem is not None and problem.status < 500:
            return
        self.consecutive_failures += 1
        self.last_error = one_line(error)

    def problem(self, error: BaseException) -> Problem | None:
        """What the model's style makes of an exception."""
        try:
            return self.model.problem(error)
        except Exception:
            log.exception("An error of the model could not be described")
            return None

    def _hand_back(self, call: Call, value: Any, error: BaseException | None) -> None:
        """To the transformer, where it asked: how that call went is only known behind both."""
        if type(call) is Errand:
            call.finish(value, error)
        else:
            self.finish(call, value, error)

    async def _probe(self) -> str:
        for thread in self._threads:
            if trouble := await _probe(thread):
                return trouble
        return ""

    def _front(self, model: Model, submits: Mapping[int, Callable[[Call], None]]) -> Front | None:
        """What stands before the doors of a model that has a transformer."""
        if model.transformer is None:
            return None
        thread = model.transformer.seated(self._loop, self._concurrency)
        self._threads = tuple({self.thread, thread})
        observe = self._metrics.observe_stage
        handlers = Handlers(model.transformer, thread, observe, model=self.name)
        behind = Behind(submits, self.thread)
        return Front(model, handlers, behind=behind, observe=observe, finish=self.finish)

    def _submit(self, operation: Operation, finish: Done, *, may_join: bool) -> Callable[[Call], None]:
        run = Runner(operation, self.thread, self._coroutines)
        if operation.is_rowwise and may_join and self._batching:
            return Batcher(run, finish, self._batching, self._loop, slots=self._concurrency)
        return lambda call: run(call, finish)


async def _probe(thread: ModelThread) -> str:
    if not thread.alive:
        return "The thread that runs predictions has ended."
    if thread.busy:
        return ""
    try:
        await asyncio.wait_for(thread.call(lambda: None), PROBE_SECONDS)
    except TimeoutError:
        if not thread.busy:
            return f"The thread that runs predictions has not answered for {PROBE_SECONDS:g} s."
    return ""
