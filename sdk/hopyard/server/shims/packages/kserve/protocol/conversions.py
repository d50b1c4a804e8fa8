"""Requests and responses to JSON, JSON with raw tensors behind it, and protobuf messages; and back."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..constants.constants import GRPC_CONTENT_DATATYPE_MAPPINGS
from ..errors import InvalidInput
from .tensor import SIZE, NamedTensor

_CONTENTS = tuple(dict.fromkeys(GRPC_CONTENT_DATATYPE_MAPPINGS.values()))


def give_raw(tensors: Iterable[NamedTensor], raw: Sequence[bytes] | None) -> None:
    """Set the raw values of each tensor, in their order."""
    for tensor, content in zip(tensors, raw or (), strict=False):
        tensor._raw_data = content


def plain(parameter: Any) -> Any:
    """Return the value of a parameter, be it plain or an InferParameter message."""
    which = getattr(parameter, "WhichOneof", None)
    if which is None:
        return parameter
    field = which("parameter_choice")
    return getattr(parameter, field) if field else None


def plain_map(parameters: Any) -> dict[str, Any]:
    """Return parameters with plain values."""
    return {name: plain(parameters[name]) for name in parameters or ()}


def column(tensor: NamedTensor) -> Any:
    """Return a tensor's values as a flat column; BYTES as str."""
    values = tensor.as_numpy().ravel()
    if tensor.datatype != "BYTES":
        return values
    return [each.decode() if isinstance(each, bytes) else each for each in values]


def request_parts(document: Mapping[str, Any], kind: type[NamedTensor], requested: Any) -> dict[str, Any]:
    """Return the constructor's arguments of a V2 request. Raises InvalidInput."""
    return {
        "infer_inputs": [_tensor(each, kind) for each in _listed(document, "inputs")],
        "request_id": document.get("id"),
        "parameters": document.get("parameters"),
        "request_outputs": [requested(e["name"], e.get("parameters")) for e in document.get("outputs") or ()]
        or None,
        "model_version": document.get("model_version"),
    }


def response_parts(document: Mapping[str, Any], kind: type[NamedTensor]) -> dict[str, Any]:
    """Return the constructor's arguments of a V2 response. Raises InvalidInput."""
    return {
        "response_id": document.get("id"),
        "model_name": document.get("model_name"),
        "infer_outputs": [_tensor(each, kind) for each in _listed(document, "outputs")],
        "model_version": document.get("model_version"),
        "parameters": document.get("parameters"),
    }


def joined(body: bytes, json_length: int, key: str) -> dict[str, Any]:
    """Return the JSON before the raw tensors, with each tensor's own bytes under `raw`. Raises InvalidInput."""
    try:
        document: dict[str, Any] = json.loads(body[:json_length])
    except ValueError as error:
        raise InvalidInput(f"The first {json_length} bytes are no JSON: {error}") from None
    rest, at = memoryview(body)[json_length:], 0
    for each in _listed(document, key):
        size = (each.get("parameters") or {}).pop(SIZE, None)
        if size is not None:
            each["raw"], at = rest[at : at + size], at + size
        elif "data" not in each:
            raise InvalidInput(f"'data' field is missing for {key[:-1]} '{each.get('name')}'")
    return document


def to_rest(
    head: dict[str, Any],
    key: str,
    tensors: Iterable[NamedTensor],
    more: Mapping[str, Any],
    *,
    binary: set[str] | None = None,
) -> tuple[dict[str, Any] | bytes, int | None]:
    """Return the JSON object, or with the tensors named in `binary` raw (None: those that are raw already)."""
    described, parts = [], []
    for tensor in tensors:
        parameters = {k: v for k, v in plain_map(tensor.parameters).items() if k != SIZE}
        each: dict[str, Any] = {"name": tensor.name, "shape": list(tensor.shape), "datatype": tensor.datatype}
        raw = tensor._raw_data is not None if binary is None else tensor.name in binary
        if raw:
            parts.append(bytes(tensor.as_tensor().as_raw()))
            parameters[SIZE] = len(parts[-1])
        else:
            each["data"] = _json_values(tensor)
        described.append(each | ({"parameters": parameters} if parameters else {}))
    document = {**head, key: described, **{name: value for name, value in more.items() if value}}
    if not parts:
        return document, None
    text = json.dumps(document).encode()
    return b"".join((text, *parts)), len(text)


def tensors_of_message(
    tensors: Iterable[Any], raw: Sequence[bytes], kind: type[NamedTensor]
) -> tuple[list[Any], Sequence[bytes] | None]:
    """Return the tensors of a message, and the raw values it has beside them."""
    made = []
    for each in tensors:
        contents = next(
            (list(getattr(each.contents, name)) for name in _CONTENTS if getattr(each.contents, name)), []
        )
        made.append(kind(each.name, list(each.shape), each.datatype, contents, each.parameters))
    return made, list(raw) or None


def request_message(request: Any) -> Any:
    """Return the ModelInferRequest message of an InferRequest. Raises InvalidInput."""
    from hopyard.server.grpc import messages

    tensors, raw = _message_tensors(request.inputs)
    outputs = [
        {"name": e.name, "parameters": _parameters(e.parameters)} for e in request.request_outputs or ()
    ]
    return messages.ModelInferRequest(
        id=request.id or "",
        model_name=request.model_name,
        model_version=request.model_version or "",
        parameters=_parameters(request.parameters),
        inputs=tensors,
        outputs=outputs,
        raw_input_contents=raw,
    )


def response_message(response: Any) -> Any:
    """Return the ModelInferResponse message of an InferResponse. Raises InvalidInput."""
    from hopyard.server.grpc import messages

    tensors, raw = _message_tensors(response.outputs, as_raw=bool(response.use_binary_outputs))
    return messages.ModelInferResponse(
        id=response.id or "",
        model_name=response.model_name,
        model_version=response.model_version or "",
        parameters=_parameters(response.parameters),
        outputs=tensors,
        raw_output_contents=raw,
    )


def _message_tensors(
    tensors: Sequence[NamedTensor], *, as_raw: bool = False
) -> tuple[list[dict[str, Any]], list[bytes]]:
    """All of them raw if one has to be: the protocol does not mix the two forms."""
    as_raw = as_raw or any(
        each._raw_data is not None or each.datatype == "FP16" or not isinstance(each._data, list | None)
        for each in tensors
    )
    described, raw = [], []
    for each in tensors:
        parameters = {k: v for k, v in plain_map(each.parameters).items() if k != SIZE}
        one: dict[str, Any] = {"name": each.name, "shape": list(each.shape), "datatype": each.datatype}
        if as_raw:
            raw.append(bytes(each.as_tensor().as_raw()))
            parameters[SIZE] = len(raw[-1])
        else:
            one["contents"] = {_contents(each): _typed_values(each)}
        described.append(one | {"parameters": _parameters(parameters)})
    return described, raw


def _contents(tensor: NamedTensor) -> str:
    try:
        return GRPC_CONTENT_DATATYPE_MAPPINGS[tensor.datatype]
    except KeyError:
        raise InvalidInput(
            f"{tensor.name} has the datatype {tensor.datatype}, which gRPC cannot hold"
        ) from None


def _typed_values(tensor: NamedTensor) -> list[Any]:
    values = tensor.as_tensor().as_list()
    if tensor.datatype != "BYTES":
        return values
    return [each.encode() if isinstance(each, str) else each for each in values]


def _parameters(parameters: Any) -> dict[str, Any]:
    fields = {bool: "bool_param", int: "int64_param", str: "string_param"}
    made = {}
    for name, value in plain_map(parameters).items():
        field = fields.get(type(value))
        if field is None:
            raise InvalidInput(
                f"The parameter {name} is {value!r}; gRPC has strings, whole numbers and booleans"
            )
        made[name] = {field: value}
    return made


def _listed(document: Mapping[str, Any], key: str) -> list[Any]:
    value = document.get(key)
    if not isinstance(value, list):
        raise InvalidInput(f'Expected "{key}" to be a list')
    return value


def _tensor(described: Mapping[str, Any], kind: type[NamedTensor]) -> Any:
    try:
        name, shape, datatype = described["name"], described["shape"], described["datatype"]
    except KeyError as missing:
        raise InvalidInput(f"A tensor has no {missing.args[0]}") from None
    tensor = kind(name, shape, datatype, described.get("data"), described.get("parameters"))
    tensor._raw_data = described.get("raw")
    return tensor


def _json_values(tensor: NamedTensor) -> list[Any]:
    if tensor.datatype == "FP16":
        raise InvalidInput(
            "Sending FP16 data via JSON is not supported. "
            f"Please use the binary data format for {tensor.name}"
        )
    values = tensor.as_tensor().as_list()
    if tensor.datatype != "BYTES":
        return values
    return [each.decode() if isinstance(each, bytes) else each for each in values]
