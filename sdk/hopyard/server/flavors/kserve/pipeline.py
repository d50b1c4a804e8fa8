"""A model's handlers as one operation: preprocess, validate, predict or explain, postprocess."""

import asyncio
import importlib
import inspect
from collections.abc import Awaitable, Callable, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from hopyard.server.failures import Failure
from hopyard.server.flavors import Host, Operation
from hopyard.server.flavors.kserve import signatures

INLINE, THREAD, LOOP = "inline", "thread", "loop"

Handler = Callable[[Any, dict[str, str], dict[str, str]], Any]
Check = Callable[[Any], Any]


class Asked:
    """The payload of a pipeline: what the first handler gets, and the headers of both directions."""

    __slots__ = ("headers", "payload", "response_headers")

    def __init__(self, payload: Any, headers: dict[str, str], response_headers: dict[str, str]) -> None:
        self.payload = payload
        self.headers = headers
        self.response_headers = response_headers


class Loop:
    """The event loop, once a request has come by on it; awaitables that sync code returned are awaited there.

    Handlers see the context variables of whoever made this: KServe keeps its predictor's address in one.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._variables = tuple(copy_context().items())

    def enter(self) -> None:
        """Set the context variables, in a task or thread that makes a call."""
        for variable, value in self._variables:
            variable.set(value)

    def notice(self) -> None:
        """Remember the running loop."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()

    def settle(self, value: Any) -> Any:
        """Return a value, or what it gives when awaited. Not to be called on the loop."""
        if not hasattr(type(value), "__await__"):
            return value
        if self._loop is None:
            return asyncio.run(_awaited(value))
        return asyncio.run_coroutine_threadsafe(_awaited(value), self._loop).result()


@dataclass(frozen=True, slots=True)
class Stage:
    """One handler, called with (payload, headers, response headers) whatever it takes of them.

    `label` is its name in the metrics, empty for none. `place`: a coroutine on the event loop, a call in the
    model's thread, or one of our own that is short enough for either.
    """

    label: str
    call: Handler
    place: str
    reads_headers: bool = True
    answers_headers: bool = False


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The stages of one verb. `check` validates a payload when it is decoded, where no handler comes before that.

    `before` and `after` are the observed stages that the user left out.
    """

    name: str
    stages: Sequence[Stage]
    before: str
    after: str
    check: Check | None = None

    @property
    def is_async(self) -> bool:
        return any(stage.place == LOOP for stage in self.stages)

    @property
    def reads_headers(self) -> bool:
        return any(stage.reads_headers for stage in self.stages)

    @property
    def answers_headers(self) -> bool:
        return any(stage.answers_headers for stage in self.stages)

    def operation(self, host: Host, loop: Loop) -> Operation:
        """Return what runs it: in the model's thread unless a handler is async."""
        if self.is_async:
            return Operation(_on_loop(self, host, loop), is_async=True)
        return Operation(_in_thread(self, host, loop))


def pipeline(instance: Any, verb: str, check: Check, *, name: str) -> Pipeline:
    """Return the stages of `predict` or `explain`. `check` stands for the validation a model has by default.

    Raises Failure for an object that has no such handler.
    """
    if signatures.is_overridden(instance, "__call__"):
        return Pipeline(name, (_whole(instance, verb),), "preprocess", "postprocess")
    if not callable(getattr(instance, verb, None)):
        kind = type(instance).__name__
        reason = f"The class {kind} has no method {verb}; add {verb}(self, payload, headers)."
        raise Failure("MethodMissing", reason)
    stages = [stage_of(instance, verb)]
    validates, preprocesses, postprocesses = (
        signatures.is_overridden(instance, handler) for handler in ("validate", "preprocess", "postprocess")
    )
    if validates:
        stages.insert(0, stage_of(instance, "validate", label=""))
    elif preprocesses:
        stages.insert(0, Stage("", lambda payload, *_: check(payload), INLINE, reads_headers=False))
    if preprocesses:
        stages.insert(0, stage_of(instance, "preprocess"))
    if postprocesses:
        stages.append(stage_of(instance, "postprocess"))
    return Pipeline(
        name,
        tuple(stages),
        before="" if preprocesses else "preprocess",
        after="" if postprocesses else "postprocess",
        check=None if validates or preprocesses else check,
    )


def stage_of(instance: Any, handler: str, *, label: str | None = None) -> Stage:
    """Return one handler of a model as it is to be called."""
    method = getattr(instance, handler)
    answers_headers = bool(getattr(instance, "required_response_headers", False))
    takes = signatures.takes(
        method, answers_headers=answers_headers and handler in ("predict", "postprocess")
    )
    place = LOOP if inspect.iscoroutinefunction(method) else THREAD
    reads = takes > 1 and signatures.reads_argument(method, 1)
    return Stage(handler if label is None else label, _adapted(method, takes), place, reads, takes > 2)


def _adapted(method: Callable[..., Any], takes: int) -> Handler:
    if takes == 1:
        return lambda payload, headers, response_headers: method(payload)
    if takes == 2:
        return lambda payload, headers, response_headers: method(payload, headers)
    return method


def _whole(instance: Any, verb: str) -> Stage:
    """A model that answers calls by itself, as KServe's own models of other runtimes do."""
    asked = importlib.import_module("kserve.model").InferenceVerb[verb.upper()]

    async def call(payload: Any, headers: dict[str, str], response_headers: dict[str, str]) -> Any:
        value = instance(payload, headers, asked)
        value = await value if inspect.isawaitable(value) else value
        if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], dict):
            value, told = value
            response_headers.update(told)
        return value

    return Stage(verb, call, LOOP, answers_headers=True)


def _in_thread(line: Pipeline, host: Host, loop: Loop) -> Callable[[Asked], Any]:
    name, stages, observe = line.name, line.stages, host.observe
    before, after = line.before, line.after

    def run(asked: Asked) -> Any:
        loop.enter()
        value, headers, response_headers = asked.payload, asked.headers, asked.response_headers
        if before:
            observe(name, before, 0.0)
        for stage in stages:
            began = perf_counter()
            try:
                value = stage.call(value, headers, response_headers)
                if hasattr(type(value), "__await__"):
                    value = loop.settle(value)
            finally:
                if stage.label:
                    observe(name, stage.label, perf_counter() - began)
        if after:
            observe(name, after, 0.0)
        return value

    return run


def _on_loop(line: Pipeline, host: Host, loop: Loop) -> Callable[[Asked], Awaitable[Any]]:
    name, stages, observe = line.name, line.stages, host.observe

    async def run(asked: Asked) -> Any:
        loop.enter()
        value = asked.payload
        if line.before:
            observe(name, line.before, 0.0)
        for stage in stages:
            began = perf_counter()
            try:
                value = await _step(stage, value, asked, host)
            finally:
                if stage.label:
                    observe(name, stage.label, perf_counter() - began)
        if line.after:
            observe(name, line.after, 0.0)
        return value

    return run


async def _step(stage: Stage, value: Any, asked: Asked, host: Host) -> Any:
    if stage.place == THREAD:
        value = await host.in_thread(lambda: stage.call(value, asked.headers, asked.response_headers))
    else:
        value = stage.call(value, asked.headers, asked.response_headers)
    return await value if hasattr(type(value), "__await__") else value


async def _awaited(value: Awaitable[Any]) -> Any:
    return await value
