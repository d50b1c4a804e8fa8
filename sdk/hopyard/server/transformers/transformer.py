"""A transformer that was built: its two handlers, where they run, and what becomes of their failures."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from hopyard.server import timings
from hopyard.server.bodies.codec import Unserialisable
from hopyard.server.failures import one_line, trimmed_traceback
from hopyard.server.flavors.kserve import problems
from hopyard.server.flavors.kserve.pipeline import LOOP, Stage
from hopyard.server.quick import is_quick
from hopyard.server.replies import Problem
from hopyard.server.runners import Abandoned, ModelThread
from hopyard.server.transformers.errands import Caller, Errand, Turn

Observe = Callable[[str, str, float], None]
Finish = Callable[[Any], Any]

log = logging.getLogger(__name__)


class TransformerFailed(Problem):
    """A handler raised, or returned what cannot be sent on."""


@dataclass(slots=True)
class Transformer:
    """`preprocess` and `postprocess` are None where the user left them out; `kind` is the name of the class.

    `is_kserve`: V2 reaches its handlers as InferRequest and InferResponse, and its exceptions are KServe's.
    `thread` is the one it was built in and its sync handlers are called in, None for whichever comes first.
    """

    kind: str
    preprocess: Stage | None
    postprocess: Stage | None
    is_kserve: bool = False
    thread: ModelThread | None = None

    def seated(self, loop: asyncio.AbstractEventLoop, size: int) -> ModelThread:
        """Return the thread of its sync handlers, with room for so many calls at a time."""
        if self.thread is None:
            self.thread = ModelThread(loop, size=size)
        self.thread.grow(size)
        return self.thread


class Handlers:
    """Calls the handlers of one transformer for one model."""

    def __init__(
        self, transformer: Transformer, thread: ModelThread, observe: Observe, *, model: str
    ) -> None:
        self.transformer = transformer
        self._thread = thread
        self._observe = observe
        self._model = model

    async def call(self, stage: Stage, value: Any, *, turn: Turn, finish: Finish) -> Any:
        """Return `finish(what the handler returned)`, made where the handler ran.

        Raises TransformerFailed, Abandoned and the Problem that one of KServe's exceptions means.
        """
        arguments, caller = (value, turn.headers, turn.response_headers), turn.caller
        if stage.place == LOOP:
            returned, error = await self._on_loop(stage, arguments, caller)
        else:
            returned, error = await self._in_thread(stage, arguments, caller, finish)
            if error is None and not _is_awaitable(returned):
                return returned
        if error is None and _is_awaitable(returned):
            returned, error = await _settled(returned)
        if error is None:
            returned, error = await self._finished(returned, caller, finish)
        if error is not None:
            raise self._problem(stage, error, caller)
        return returned

    async def _on_loop(
        self, stage: Stage, arguments: tuple[Any, ...], caller: Caller
    ) -> tuple[Any, BaseException | None]:
        began = perf_counter()
        try:
            return await stage.call(*arguments), None
        except BaseException as error:
            return None, error
        finally:
            self._took(stage, perf_counter() - began, caller)

    async def _in_thread(
        self, stage: Stage, arguments: tuple[Any, ...], caller: Caller, finish: Finish
    ) -> tuple[Any, BaseException | None]:
        def run(arguments: tuple[Any, ...]) -> Any:
            began = perf_counter()
            try:
                value = stage.call(*arguments)
            finally:
                self._took(stage, perf_counter() - began, caller)
            return value if _is_awaitable(value) else finish(value)

        errand = Errand(caller, arguments)
        self._thread.run(run, errand, Errand.finish)
        return await errand.outcome

    async def _finished(self, value: Any, caller: Caller, finish: Finish) -> tuple[Any, BaseException | None]:
        """What is large, or a class of the user's own, may take its time."""
        if not is_quick(value):
            errand = Errand(caller, value)
            self._thread.run(finish, errand, Errand.finish)
            return await errand.outcome
        try:
            return finish(value), None
        except BaseException as error:
            return None, error

    def _took(self, stage: Stage, seconds: float, caller: Caller) -> None:
        self._observe(self._model, stage.label, seconds)
        if caller.timed:
            timings.add(caller, stage.label, seconds)

    def _problem(self, stage: Stage, error: BaseException, caller: Caller) -> BaseException:
        where = f"{self.transformer.kind}.{stage.label}"
        told = caller.request_id.decode()
        if isinstance(error, TransformerFailed):
            log.error("%s [%s]", error.sentence, told)
        if isinstance(error, Abandoned | Problem):
            return error
        if isinstance(error, Unserialisable):
            log.error("%s returned what is not JSON [%s]: %s", where, told, error)
            return TransformerFailed(
                500, f"What {where} returned cannot be written as JSON: {error}", "AnswerInvalid"
            )
        known = problems.problem(error) if self.transformer.is_kserve else None
        if known is not None and known.status < 500:
            return known
        log.error("%s failed [%s]\n%s", where, told, trimmed_traceback(error))
        code = "OutOfMemory" if isinstance(error, MemoryError) else "TransformerFailed"
        problem = TransformerFailed(known.status if known else 500, f"{where} raised {one_line(error)}", code)
        problem.__cause__ = error
        return problem


async def _settled(value: Any) -> tuple[Any, BaseException | None]:
    try:
        return await value, None
    except BaseException as error:
        return None, error


def _is_awaitable(value: Any) -> bool:
    return hasattr(type(value), "__await__")
