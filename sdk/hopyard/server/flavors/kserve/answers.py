"""What handlers answer with over V2: responses, messages, dicts of either shape, and plain predictions."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from hopyard.server.bodies import rows
from hopyard.server.bodies.tensors import DTYPES, Tensor, TensorRequest, TensorResponse, numpy_module
from hopyard.server.replies import Problem

SIZE = "binary_data_size"


def is_response(value: Any) -> bool:
    """Whether a value is an InferResponse or a ModelInferResponse, of whatever package."""
    return hasattr(value, "outputs") and hasattr(value, "model_name")


def response_of(value: Any, asked: TensorRequest) -> TensorResponse:
    """Return the response that a handler's value is. Raises Problem 500 for one that is none, and BadTensor."""
    if isinstance(value, TensorResponse):
        return value
    if is_response(value):
        return _response(asked, _outputs(value), value)
    if isinstance(value, Mapping) and isinstance(value.get("outputs"), list | tuple):
        outputs = [_described(each, number) for number, each in enumerate(value["outputs"])]
        return _response(asked, outputs, _Named(value))
    if isinstance(value, Mapping) and "predictions" in value:
        return rows.response_of(value["predictions"], asked)
    if value is None or hasattr(value, "__next__") or hasattr(value, "__anext__"):
        raise _unusable(f"The model answered with {'nothing' if value is None else 'a stream'}")
    return rows.response_of(value, asked)


def document(value: Any) -> dict[str, Any]:
    """Return the JSON object of a response, for V1."""
    outputs = [
        {"name": e.name, "shape": list(e.shape), "datatype": e.datatype}
        | ({"parameters": e.parameters} if e.parameters else {})
        | {"data": _readable(e)}
        for e in _outputs(value)
    ]
    return {
        "id": value.id or str(uuid4()),
        "model_name": value.model_name,
        "model_version": getattr(value, "model_version", None) or None,
        "outputs": outputs,
    }


class _Named:
    """The parts of a response that a dict has."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.id = document.get("id")
        self.model_name = document.get("model_name")
        self.model_version = document.get("model_version")
        self.parameters = document.get("parameters")


def _response(asked: TensorRequest, outputs: list[Tensor], told: Any) -> TensorResponse:
    return TensorResponse(
        str(told.model_name or asked.model_name),
        outputs,
        str(told.model_version or asked.model_version or ""),
        str(told.id or asked.id or asked.request_id or uuid4()),
        plain_parameters(told.parameters),
    )


def _outputs(value: Any) -> list[Tensor]:
    raw = list(getattr(value, "raw_output_contents", ()))
    if raw or hasattr(value, "raw_output_contents"):
        return [_of_message(each, raw[n] if n < len(raw) else None) for n, each in enumerate(value.outputs)]
    return [tensor_of(each) for each in value.outputs]


def tensor_of(output: Any) -> Tensor:
    """Return the values of an InferOutput or an InferInput."""
    raw = getattr(output, "_raw_data", None)
    values = raw if raw is not None else output.data
    return _tensor(output.name, output.datatype, output.shape, values, plain_parameters(output.parameters))


def _of_message(output: Any, raw: bytes | None) -> Tensor:
    values: Any = raw
    if raw is None:
        fields = output.contents.ListFields()
        values = list(fields[0][1]) if fields else []
    return _tensor(output.name, output.datatype, output.shape, values, plain_parameters(output.parameters))


def _described(output: Any, number: int) -> Tensor:
    """One output of a dict: its values under `data`, or under the one field of `contents`."""
    if not isinstance(output, Mapping) or not isinstance(output.get("name"), str):
        raise _unusable(f"outputs[{number}] of the model's answer has no name")
    name, values = output["name"], output.get("data")
    if values is None:
        contents = output.get("contents")
        filled = [each for each in contents.values() if len(each)] if isinstance(contents, Mapping) else None
        if filled is None:
            raise _unusable(f"The output {name} of the model's answer has neither data nor contents")
        values = list(filled[0]) if filled else []
    shape, datatype = output.get("shape"), output.get("datatype")
    if shape is None or datatype is None:
        return rows.response_of({name: values}, TensorRequest("", [])).outputs[0]
    return _tensor(name, str(datatype), shape, values, plain_parameters(output.get("parameters")))


def _tensor(
    name: str, datatype: str, shape: Sequence[Any], values: Any, parameters: dict[str, Any]
) -> Tensor:
    tensor = Tensor(name, datatype.upper(), [int(size) for size in shape], parameters=parameters)
    if isinstance(values, bytes | memoryview):
        tensor.raw = values
    elif isinstance(values, list):
        tensor.data = values
    elif values is None:
        raise _unusable(f"The output {name} of the model's answer has no values")
    else:
        tensor.array = _array(values, tensor.datatype)
    return tensor


def _array(values: Any, datatype: str) -> Any:
    array = numpy_module().asarray(values)
    wanted = DTYPES.get(datatype)
    return array if wanted is None or array.dtype == wanted else array.astype(wanted)


def plain_parameters(parameters: Any) -> dict[str, Any]:
    """Return parameters as plain values, be they a dict or a map of InferParameter messages."""
    plain = {}
    for name in parameters or ():
        value = parameters[name]
        which = getattr(value, "WhichOneof", None)
        field = which("parameter_choice") if which else None
        if name != SIZE:
            plain[name] = getattr(value, field) if field else value
    return plain


def _readable(tensor: Tensor) -> list[Any]:
    return [each.decode(errors="replace") if isinstance(each, bytes) else each for each in tensor.as_list()]


def _unusable(what: str) -> Problem:
    shapes = "an InferResponse, a dict with id, model_name and outputs, or the predictions themselves"
    return Problem(500, f"{what}; return {shapes}.", "AnswerInvalid")
