"""A transformer before the doors of one model: what `hosted` gives a caller's call to, instead of the model."""

import asyncio
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any, Protocol

from hopyard.server.flavors import Exchange, Model, Operation
from hopyard.server.flavors.kserve.describe import STYLE as KSERVE
from hopyard.server.quick import is_quick
from hopyard.server.runners import ModelThread
from hopyard.server.transformers.documents import Documents
from hopyard.server.transformers.errands import Caller, Errand
from hopyard.server.transformers.payloads import Payloads
from hopyard.server.transformers.tensors import Tensors
from hopyard.server.transformers.transformer import Handlers, Observe
from hopyard.server.transformers.ways import Answer, Way

TRANSFORMED = ("infer", "predict", "explain")  # of the operations in a style's own words
ROWS = ("predict", "classify", "regress")


class Call(Caller, Protocol):
    """One inference under way, as `hosted` knows it."""

    payload: Any


Submit = Callable[[Any], None]
Finish = Callable[[Any, Any, BaseException | None], None]
Fronted = tuple[Exchange, Submit]


class Raised(Exception):
    """What the predictor raised, carried as it is: some exceptions cannot pass through a coroutine."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


class Behind:
    """The model behind a transformer. `submits` have its operations, by their id, run where and as they always are,
    in batches too.
    """

    def __init__(self, submits: Mapping[int, Submit], thread: ModelThread) -> None:
        self._submits = submits
        self._thread = thread

    async def ask(self, exchange: Exchange, asked: Any, caller: Caller) -> Answer:
        """Return what a caller would get. Raises what stands for an answer, and Raised."""
        size = len(getattr(asked, "body", b""))
        errand = Errand(caller, exchange.decode(asked), size, is_predicted=True)
        self._submits[id(exchange.operation)](errand)
        value, error = await errand.outcome
        if error is not None:
            raise Raised(error)
        if is_quick(value):
            answer: Answer = exchange.encode(value, asked)
            return answer
        errand = Errand(caller, value)
        self._thread.run(lambda value: exchange.encode(value, asked), errand, Errand.finish)
        answer, error = await errand.outcome
        if error is not None:
            raise Raised(error)
        return answer


class Front:
    """`finish` ends a call, and counts how it went."""

    def __init__(
        self, model: Model, handlers: Handlers, *, behind: Behind, observe: Observe, finish: Finish
    ) -> None:
        self._ways = Ways(model, handlers)
        self._behind = behind
        self._finish = finish
        self._observe = observe
        self._model = model
        self._is_observed = model.style == KSERVE
        self._tasks: set[asyncio.Task[None]] = set()

    def before(self, name: str, exchange: Exchange, submit: Submit) -> Fronted:
        """Return an exchange and what makes a call of it, those of the transformer or, where it has no say, of the
        model. `name` is the verb's or the operation's.
        """
        if exchange is self._model.tensors:
            return self._fronted(self._ways.tensors(exchange), exchange.operation)
        if name in TRANSFORMED or name in self._model.verbs:
            return self._fronted(self._ways.documents(exchange), exchange.operation)
        return exchange, submit

    def _fronted(self, way: Way, operation: Operation) -> Fronted:
        def submit(call: Call) -> None:
            task = asyncio.get_running_loop().create_task(self._answer(way, call))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        return Exchange(operation, way.decode, lambda value, asked: value), submit

    async def _answer(self, way: Way, call: Call) -> None:
        value, error = None, None
        try:
            exchange, asked = await way.before(call.payload, call)
            asked.key_id = call.key_id
            began = perf_counter()
            try:
                answer = await self._behind.ask(exchange, asked, call)
            finally:
                if not self._is_observed:
                    self._observe(self._model.name, "predict", perf_counter() - began)
            value = await way.after(answer, call.payload, call)
        except Raised as raised:
            error = raised.error
        except BaseException as raised:
            error = raised
        self._finish(call, value, error)


class Ways:
    """The ways through one transformer to one model."""

    def __init__(self, model: Model, handlers: Handlers) -> None:
        self._model = model
        self._handlers = handlers
        self._payloads = Payloads(handlers.transformer, model)

    def documents(self, exchange: Exchange) -> Documents:
        return Documents(exchange, handlers=self._handlers, payloads=self._payloads, model=self._model.name)

    def tensors(self, exchange: Exchange) -> Tensors:
        """Rows are asked with the first verb of V1 that the model has."""
        verbs = self._model.verbs
        rows = next((verbs[verb] for verb in ROWS if verb in verbs), exchange)
        return Tensors(exchange, rows, handlers=self._handlers, payloads=self._payloads)
