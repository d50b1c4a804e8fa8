"""gRPC's messages to tensors and back.

A request has its values typed in `contents`, or raw in `raw_input_contents`, one for each input. The answer is
raw if the request was, or if one of its outputs can only be sent raw; otherwise typed.
"""

from math import prod
from string import ascii_uppercase
from typing import Any

from hopyard.server.bodies.tensors import (
    DATATYPES,
    BadTensor,
    RequestedOutput,
    Tensor,
    TensorRequest,
    TensorResponse,
)
from hopyard.server.grpc.messages import ModelInferResponse
from hopyard.server.replies import Problem

CONTENTS = {
    "BOOL": "bool_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
WIDTHS = {name: int(name.strip(ascii_uppercase)) // 8 for name in DATATYPES - {"BOOL", "BYTES"}} | {"BOOL": 1}
BYTES_LENGTH = 4


def read_request(message: Any, *, headers: dict[str, str], request_id: str) -> TensorRequest:
    """Return what a ModelInferRequest asks. Raises BadTensor."""
    raws = message.raw_input_contents
    inputs = _raw_inputs(message, raws) if raws else [_typed_tensor(each) for each in message.inputs]
    outputs, parameters = message.outputs, message.parameters
    return TensorRequest(
        message.model_name,
        inputs,
        message.model_version,
        message.id,
        _values(parameters) if parameters else {},
        [RequestedOutput(each.name, _values(each.parameters)) for each in outputs] if outputs else None,
        headers,
        from_grpc=True,
        is_raw=bool(raws),
        request_id=request_id,
    )


def write_response(response: TensorResponse, asked: TensorRequest) -> Any:
    """Return a ModelInferResponse. Raises Problem 500 for an output that cannot be written."""
    outputs = response.outputs
    message = ModelInferResponse(
        model_name=response.model_name, model_version=response.model_version or "", id=asked.id
    )
    if response.parameters:
        _set_parameters(message.parameters, response.parameters)
    is_raw = asked.is_raw or any(each.raw is not None or each.datatype not in CONTENTS for each in outputs)
    for each in outputs:
        try:
            written = message.outputs.add(name=each.name, datatype=each.datatype, shape=each.shape)
            if is_raw:
                raw = each.as_raw()
                message.raw_output_contents.append(raw if type(raw) is bytes else bytes(raw))
            else:
                _write_contents(written.contents, each)
        except (Problem, KeyError, TypeError, ValueError, OverflowError) as error:
            sentence = f"The model's output {each.name} is no tensor of {each.datatype}: {error}"
            raise Problem(500, sentence, "AnswerInvalid") from None
        if each.parameters:
            _set_parameters(written.parameters, each.parameters)
    return message


def _raw_inputs(message: Any, raws: Any) -> list[Tensor]:
    inputs = message.inputs
    if len(raws) != len(inputs):
        raise BadTensor(
            f"the number of inputs ({len(inputs)}) does not match the expected number of raw input contents "
            f"({len(raws)}) for model '{message.model_name}'."
        )
    return [_raw_tensor(each, raw) for each, raw in zip(inputs, raws, strict=True)]


def _raw_tensor(given: Any, raw: bytes) -> Tensor:
    name, shape = given.name, list(given.shape)
    datatype = _datatype(given)
    if given.HasField("contents"):
        raise BadTensor(
            f"contents field must not be specified when using raw_input_contents for input '{name}'; "
            "send its values only once."
        )
    size = _size(name, shape)
    width = WIDTHS.get(datatype)
    if width is not None and size * width != len(raw):
        raise BadTensor(
            f"The input {name} has {len(raw)} raw bytes; {datatype} in the shape {shape} takes {size * width}."
        )
    if width is None and size * BYTES_LENGTH > len(raw):
        raise BadTensor(f"The input {name} has {len(raw)} raw bytes, too few for {size} elements of BYTES.")
    return Tensor(name, datatype, shape, raw=raw, parameters=_values(given.parameters))


def _typed_tensor(given: Any) -> Tensor:
    name, shape = given.name, list(given.shape)
    datatype = _datatype(given)
    contents = CONTENTS.get(datatype)
    if contents is None:
        raise BadTensor(f"The input {name} is {datatype}, which is only sent in raw_input_contents.")
    data = list(getattr(given.contents, contents))
    size = _size(name, shape)
    if len(data) != size:
        raise BadTensor(_miscount(given, contents, len(data), size))
    return Tensor(name, datatype, shape, data=data, parameters=_values(given.parameters))


def _datatype(given: Any) -> str:
    datatype: str = given.datatype
    if datatype in DATATYPES:
        return datatype
    datatype = datatype.upper()
    if datatype not in DATATYPES:
        known = ", ".join(sorted(DATATYPES))
        raise BadTensor(
            f"invalid content type {datatype[:40]!r} of input {given.name}; it is one of {known}."
        )
    return datatype


def _size(name: str, shape: list[int]) -> int:
    if shape and min(shape) < 0:
        raise BadTensor(f"The input {name} has the shape {shape}; no size is below 0.")
    return prod(shape)


def _miscount(given: Any, contents: str, count: int, size: int) -> str:
    others = [field.name for field, _ in given.contents.ListFields() if field.name != contents]
    if others and not count:
        return (
            f"The input {given.name} is {given.datatype}: send its values in {contents}, not in {others[0]}."
        )
    shape = list(given.shape)
    return f"The input {given.name} has {count} values in {contents}; the shape {shape} takes {size}."


def _values(parameters: Any) -> dict[str, Any]:
    """The plain values of InferParameters by name; one that has none is None."""
    if not parameters:
        return {}
    kinds = {name: each.WhichOneof("parameter_choice") for name, each in parameters.items()}
    return {name: getattr(parameters[name], kind) if kind else None for name, kind in kinds.items()}


def _set_parameters(parameters: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, bool):
            parameters[name].bool_param = value
        elif isinstance(value, int) and -(2**63) <= value < 2**63:
            parameters[name].int64_param = value
        elif isinstance(value, float):
            parameters[name].double_param = value
        elif value is not None:
            parameters[name].string_param = str(value)


def _write_contents(contents: Any, tensor: Tensor) -> None:
    field = getattr(contents, CONTENTS[tensor.datatype])
    if tensor.datatype == "BYTES":
        field.extend(each if type(each) is bytes else str(each).encode() for each in tensor.as_list())
        return
    try:
        field.extend(tensor.as_list())
    except TypeError:  # numpy's scalars, say
        field.extend(tensor.as_array().ravel().tolist())
