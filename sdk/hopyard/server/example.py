"""The stored input example: predicted once before the model is ready, and the proof that rows may be joined."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import orjson

from hopyard.server.batcher import part_of
from hopyard.server.bodies import codec, v2
from hopyard.server.bodies.tensors import Tensor, TensorRequest, TensorResponse, datatype_of, numpy_module
from hopyard.server.bodies.v2_requests import are_tensors
from hopyard.server.failures import Failure, one_line, place_of, trimmed_traceback
from hopyard.server.flavors import Alone, Exchange, Model, Operation
from hopyard.server.http.requests import NOBODY, Request
from hopyard.server.replies import Problem, Reply

PROOF_ROWS = 8
VARIATIONS = (0.5, 1.25, 2.0)
SLOW_SECONDS = 0.5
CLOSE = 1e-6

Run = Callable[[Operation, Any], Awaitable[Any]]
Question = tuple[str, Exchange, Any]  # the name of the exchange, and what it is asked

log = logging.getLogger(__name__)


def examples_of(path: Path, model: Model, run: Run) -> list["Example"]:
    """Return the stored example, and where its rows make an array the same rows asked as tensors. Raises Failure."""
    return examples_asked(path, model, run, question_of(path, model))


def examples_asked(path: Path, model: Model, run: Run, question: Question) -> list["Example"]:
    """Return the examples of a question, wherever it came from. Raises Failure."""
    key, exchange, asked = question
    try:
        payload = exchange.decode(asked)
    except Problem as problem:
        raise wrong(path, problem.sentence) from None
    first = Example(key, exchange, asked, payload, run)
    operation = exchange.operation
    if model.tensors is None or key == "tensors" or model.tensors.operation is operation:
        return [first]
    if not operation.is_rowwise:
        return [first]
    asked_as_tensors = None if isinstance(payload, Alone) else _as_tensors(_rows(payload), model)
    if asked_as_tensors is None:
        return [first]
    try:
        payload = model.tensors.decode(asked_as_tensors)
    except Problem:
        return [first]
    return [first, Example("tensors", model.tensors, asked_as_tensors, payload, run)]


class Example:
    """One way of asking a model with its example. `run` runs an operation where requests will be run; `key` names
    the exchange. `behind` is awaited with the answer, where a transformer has a say in it.
    """

    def __init__(self, key: str, exchange: Exchange, asked: Any, payload: Any, run: Run) -> None:
        self.key = key
        self.behind: Callable[[Any], Awaitable[Any]] | None = None
        self._exchange = exchange
        self._asked = asked
        self._payload = payload
        self._run = run

    async def predict(self) -> None:
        """Make the prediction. Raises Failure PredictFailed or OutOfMemory."""
        value = await self.value()
        with worded():
            answer = self.answer(value)
            if self.behind is not None:
                await self.behind(answer)

    async def value(self) -> Any:
        """Return what the model makes of it. Raises Failure PredictFailed or OutOfMemory."""
        with worded():
            return await self._run(self._exchange.operation, self._payload)

    def answer(self, value: Any) -> Any:
        """Return what a caller would be sent. Raises what encoding raises, and ValueError for an error's status."""
        answer = self._exchange.encode(value, self._asked)
        if isinstance(answer, Reply) and answer.status >= 400:
            raise ValueError(answer.body.decode(errors="replace"))
        return answer

    async def refute(self) -> str:
        """Why rows of several requests must not be predicted together; empty if it was proven that they may."""
        operation = self._exchange.operation
        if not operation.is_rowwise or isinstance(self._payload, Alone):
            return "the model is not asked row by row"
        rows = _rows(self._payload)
        if len(rows) < 2:
            return "the input example has one row, which proves nothing; store one with two rows or more"
        try:
            return await self._compare(operation, rows)
        except BaseException as error:
            _let_through_cancellation()
            return f"predicting variations of the input example failed: {one_line(error)}"

    async def _compare(self, operation: Operation, rows: Sequence[Any]) -> str:
        began = perf_counter()
        alone = [await self._run(operation, rows[:1])]
        if perf_counter() - began > SLOW_SECONDS:
            rows = rows[:2]
        alone += [await self._run(operation, rows[n : n + 1]) for n in range(1, len(rows))]
        together = await self._run(operation, rows)
        parts = [part_of(together, number, number + 1, len(rows)) for number in range(len(rows))]
        for number, (one, part) in enumerate(zip(alone, parts, strict=True)):
            if part is None:
                return f"{len(rows)} rows predicted together did not give {len(rows)} answers"
            if not _close(self._answer(one), self._answer(part)):
                return f"row {number} of the input example is predicted differently together with others"
        return ""

    def _answer(self, value: Any) -> Any:
        """What the caller would be told."""
        answer = self._exchange.encode(value, self._asked)
        if isinstance(answer, TensorResponse):
            return [
                [each.name, each.datatype, orjson.loads(codec.dumps(each.as_list()))]
                for each in answer.outputs
            ]
        return orjson.loads(answer.body if isinstance(answer, Reply) else answer)


def question_of(path: Path, model: Model) -> Question:
    """Return what the stored example asks. Raises Failure ConfigurationInvalid."""
    request = _Request(_read(path))
    try:
        document = codec.parse(request.body)
    except codec.BadBody as error:
        raise wrong(path, error.sentence) from None
    if isinstance(document, dict) and are_tensors(document.get("inputs")) and model.tensors:
        try:
            return "tensors", model.tensors, v2.read(request, model.name, model.version)
        except Problem as problem:
            raise wrong(path, problem.sentence) from None
    if isinstance(document, list):
        are_rows = not document or isinstance(document[0], list | dict)
        request.body = orjson.dumps({"instances": document if are_rows else [document]})
    for key, exchange in model.exchanges().items():
        if key.startswith("verb ") or key == "operation infer":
            return key, exchange, request
    raise Failure("ConfigurationInvalid", f"{model.name} has nothing to ask the input example with.")


def _as_tensors(rows: Any, model: Model) -> TensorRequest | None:
    """The rows of a V1 payload as the one tensor that a V2 client would send."""
    try:
        array = numpy_module().asarray(rows)
        if not array.ndim or array.dtype.kind not in "fiu":
            return None
        tensor = Tensor("input-0", datatype_of(array), array.shape, array=array)
    except (ValueError, Problem):
        return None
    return TensorRequest(model.name, [tensor], model.version, request_id="input-example")


def wrong(path: Path, sentence: str) -> Failure:
    """The example is no question."""
    return Failure("ConfigurationInvalid", f"The input example {path} is wrong. {sentence}")


@contextmanager
def worded() -> Iterator[None]:
    """Make a Failure of whatever user code raises."""
    try:
        yield
    except BaseException as error:
        _let_through_cancellation()
        name, line = place_of(error) or ("", 0)
        at = f" (line {line} of {name})" if line else ""
        reason = f"The input example could not be predicted: {one_line(error)}{at}; correct the script."
        code = "OutOfMemory" if isinstance(error, MemoryError) else "PredictFailed"
        raise Failure(code, reason, trimmed_traceback(error)) from None


def _let_through_cancellation() -> None:
    """What a model raises is its failure, whatever it is; the server's own stop is not."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


class _Request(Request):
    """A request that nobody sent."""

    def __init__(self, body: bytes) -> None:
        super().__init__(NOBODY, {b"content-type": b"application/json"})
        self.method, self.body, self.id = b"POST", body, b"input-example"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Failure("ConfigurationInvalid", f"The input example {path} cannot be read: {error}.") from None


def _rows(payload: Any) -> Any:
    """At least two rows that differ: those of the example, or variations of its only one."""
    if len(payload) != 1:
        return payload[:PROOF_ROWS]
    if isinstance(payload, list):
        varied = [_varied(payload[0], factor) for factor in VARIATIONS]
        return payload + [row for row in varied if row != payload[0]]
    if getattr(getattr(payload, "dtype", None), "kind", "") == "f" and payload.any():
        return numpy_module().concatenate([payload, *(payload * payload.dtype.type(f) for f in VARIATIONS)])
    return payload


def _varied(value: Any, factor: float) -> Any:
    if isinstance(value, list):
        return [_varied(each, factor) for each in value]
    if isinstance(value, dict):
        return {name: _varied(each, factor) for name, each in value.items()}
    return value * factor if isinstance(value, float) else value


def _close(one: Any, other: Any) -> bool:
    """Equal, but for what the order of additions does to floats."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_close, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_close(one[key], other[key]) for key in one)
    if isinstance(one, float | int) and isinstance(other, float | int) and float in (type(one), type(other)):
        return math.isclose(one, other, rel_tol=CLOSE, abs_tol=CLOSE)
    return bool(one == other)
