"""Rows of several requests in one call of `predict`, for models whose answers have one item per row."""

from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import Any

from hopyard.server.bodies.tensors import DTYPES, Tensor, TensorRequest, TensorResponse, numpy_module
from hopyard.server.flavors import Alone, Exchange, Host, Operation
from hopyard.server.flavors.kserve import answers
from hopyard.server.flavors.kserve.inference import Inference
from hopyard.server.flavors.kserve.pipeline import THREAD, Loop, Pipeline

KEY = "predictions"


def can_join(line: Pipeline) -> bool:
    """Whether nothing but a sync `predict` that has no use for headers answers a request."""
    only = line.stages[0]
    return len(line.stages) == 1 and only.place == THREAD and not (only.reads_headers or only.answers_headers)


def rest(line: Pipeline, exchange: Exchange, host: Host, loop: Loop) -> Exchange:
    """Return a V1 exchange whose rows may be joined with those of others."""
    predict = _observed(line, host, loop)
    decode_whole, encode_value = exchange.decode, exchange.encode

    def decode(request: Any) -> Any:
        asked = decode_whole(request)
        payload = asked.payload
        if type(payload) is dict and len(payload) == 1 and payload.get("instances"):
            return payload["instances"]
        return Alone(asked)

    def run(payload: Any) -> Any:
        if type(payload) is Alone:
            return predict(payload.payload.payload)
        return Predicted(predict({"instances": payload}))

    def encode(value: Any, request: Any) -> Any:
        return encode_value(value.result if type(value) is Predicted else value, request)

    return Exchange(Operation(run, is_rowwise=True), decode, encode)


def tensors(line: Pipeline, inference: Inference, host: Host, loop: Loop) -> Exchange:
    """Return a V2 exchange; requests with one input of the same name, datatype and row shape may be joined."""
    predict = _observed(line, host, loop)

    def decode(asked: TensorRequest) -> Any:
        loop.notice()
        return Rows(asked) if _is_alike(asked) else Alone(asked)

    def run(payload: Any) -> Any:
        if type(payload) is Alone:
            return predict(inference.request(payload.payload))
        return PredictedTensors(predict(inference.request(payload.asked)), payload.asked)

    def encode(value: Any, asked: TensorRequest) -> TensorResponse:
        if type(value) is PredictedTensors:
            value = value.value
        elif type(value) is TensorResponse:
            return replace(value, id=asked.id or asked.request_id)
        return answers.response_of(value, asked)

    return Exchange(Operation(run, is_rowwise=True), decode, encode)


class Predicted:
    """What `predict` answered to rows. Its length and its parts are those of `{"predictions": [...]}`; any other
    answer has neither, and is only whole.
    """

    __slots__ = ("_predictions", "result")

    def __init__(self, result: Any) -> None:
        self.result = result
        alone = type(result) is dict and len(result) == 1
        self._predictions = result.get(KEY) if alone else None

    def __len__(self) -> int:
        if isinstance(self._predictions, dict | str):
            raise TypeError("the predictions are no rows")
        return len(self._predictions)  # type: ignore[arg-type]

    def __getitem__(self, rows: slice) -> dict[str, Any]:
        return {KEY: self._predictions[rows]}  # type: ignore[index]

    def tolist(self) -> Any:
        """The whole answer, as JSON has it."""
        return self.result


class Rows:
    """A request whose only input is rows. Arrays can be joined by their `dtype` and `shape`; so can these."""

    __slots__ = ("asked", "dtype", "shape")

    def __init__(self, asked: TensorRequest) -> None:
        tensor = asked.inputs[0]
        self.asked = asked
        self.shape = tuple(tensor.shape)
        self.dtype = (tensor.name, tensor.datatype, asked.from_grpc, asked.is_raw)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> "Rows":
        return self._with(self.asked.inputs[0].as_array()[rows])

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function is not numpy_module().concatenate:
            return NotImplemented
        return self._with(numpy_module().concatenate([each.asked.inputs[0].as_array() for each in args[0]]))

    def _with(self, array: Any) -> "Rows":
        tensor = Tensor(self.dtype[0], self.dtype[1], list(array.shape), array=array)
        return Rows(replace(self.asked, inputs=[tensor], id=""))


class PredictedTensors:
    """What `predict` answered to rows of tensors; its parts are responses with those rows of every output."""

    __slots__ = ("_asked", "_outputs", "value")

    def __init__(self, value: Any, asked: TensorRequest) -> None:
        self.value = value
        self._asked = asked
        self._outputs: list[tuple[Tensor, Any]] | None = None

    def __len__(self) -> int:
        lengths = {len(array) for _, array in self._arrays()}
        if len(lengths) != 1:
            raise TypeError("the outputs have different numbers of rows")
        return lengths.pop()

    def __getitem__(self, rows: slice) -> TensorResponse:
        outputs = []
        for tensor, array in self._arrays():
            part = array[rows]
            cut = Tensor(
                tensor.name, tensor.datatype, list(part.shape), array=part, parameters=tensor.parameters
            )
            outputs.append(cut)
        return TensorResponse(self._asked.model_name, outputs, self._asked.model_version)

    def tolist(self) -> TensorResponse:
        """The whole answer, as its parts are."""
        return self[0 : len(self)]

    def _arrays(self) -> list[tuple[Tensor, Any]]:
        if self._outputs is None:
            response = answers.response_of(self.value, self._asked)
            self._outputs = [(each, each.as_array()) for each in response.outputs]
        return self._outputs


def _is_alike(asked: TensorRequest) -> bool:
    """Whether a request says nothing but its rows, so that another's can stand beside them."""
    if len(asked.inputs) != 1 or asked.parameters.keys() - {"binary_data_output"}:
        return False
    tensor = asked.inputs[0]
    known = tensor.datatype in DTYPES or tensor.datatype == "BYTES"
    return known and not tensor.parameters and len(tensor.shape) > 0 and tensor.shape[0] > 0


def _observed(line: Pipeline, host: Host, loop: Loop) -> Callable[[Any], Any]:
    """The one stage alone, with its seconds told."""
    stage, name, observe = line.stages[0], line.name, host.observe
    before, after = line.before, line.after

    def predict(payload: Any) -> Any:
        loop.enter()
        observe(name, before, 0.0)
        began = perf_counter()
        try:
            value = stage.call(payload, {}, {})
            if hasattr(type(value), "__await__"):
                value = loop.settle(value)
        finally:
            observe(name, stage.label, perf_counter() - began)
        observe(name, after, 0.0)
        return value

    return predict
