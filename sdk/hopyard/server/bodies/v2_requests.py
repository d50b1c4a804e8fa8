"""Bodies of V2 inference over REST, of JSON or of JSON with raw tensors behind it, to tensor requests."""

from typing import Any

from hopyard.server.bodies import codec
from hopyard.server.bodies.headers import Headers
from hopyard.server.bodies.tensors import BadTensor, RequestedOutput, Tensor, TensorRequest
from hopyard.server.http.requests import Request
from hopyard.server.replies import Problem

HEADER_LENGTH = b"inference-header-content-length"
_MOST_DIGITS = 20


class BadSchema(Problem):
    """The body is not a V2 inference request."""

    def __init__(self, sentence: str) -> None:
        super().__init__(422, sentence, "BadBody")


def read(request: Request, name: str, version: str) -> TensorRequest:
    """Return what was asked. Raises Problem: 422 for a wrong schema, 400 for wrong tensors."""
    header = request.headers.get(HEADER_LENGTH)
    if header is None:
        return _asked(request, name, version, request.body, None)
    try:
        return _asked(request, name, version, *_split(request.body, header))
    except BadSchema as problem:
        raise BadTensor(problem.sentence) from None


def _asked(request: Request, name: str, version: str, body: bytes, raw: memoryview | None) -> TensorRequest:
    document = _document(body)
    inputs = document.get("inputs")
    if not isinstance(inputs, list):
        raise BadSchema(
            'The body has no list of inputs; send {"inputs": [{"name", "shape", "datatype", "data"}]}.'
        )
    reader = _Raw(raw)
    tensors = [_tensor(each, number, reader) for number, each in enumerate(inputs)]
    reader.finish()
    outputs = document.get("outputs") or []
    if not isinstance(outputs, list):
        raise BadSchema('The outputs are not a list; send [{"name": "output-0"}].')
    return TensorRequest(
        name,
        tensors,
        version,
        _text(document, "id"),
        _parameters(document, "the request"),
        [_requested(each) for each in outputs] or None,
        Headers(request.headers),
        is_raw=reader.used,
        request_id=request.id.decode(),
    )


def are_tensors(inputs: Any) -> bool:
    """Whether this is the list of inputs of a V2 request, and no rows."""
    return (
        isinstance(inputs, list)
        and bool(inputs)
        and all(isinstance(each, dict) and {"name", "shape", "datatype"} <= each.keys() for each in inputs)
    )


class _Raw:
    """The bytes behind the JSON, handed out in the order of the inputs."""

    def __init__(self, raw: memoryview | None) -> None:
        self._raw = raw
        self._at = 0
        self.used = False

    def take(self, name: str, size: Any) -> memoryview:
        if self._raw is None:
            sentence = f"The input {name} has a binary_data_size, but the request no Inference-Header-Content-Length."
            raise BadTensor(sentence)
        if isinstance(size, bool) or not isinstance(size, int) or size < 0:
            raise BadTensor(
                f"The binary_data_size of the input {name} is {size!r}; send its number of bytes."
            )
        start, self._at = self._at, self._at + size
        if self._at > len(self._raw):
            there = len(self._raw) - start
            raise BadTensor(f"The input {name} should have {size} bytes behind the JSON; there are {there}.")
        self.used = True
        return self._raw[start : self._at]

    def finish(self) -> None:
        if self._raw is not None and self._at != len(self._raw):
            extra = len(self._raw) - self._at
            raise BadTensor(f"{extra} bytes are left behind the last input; check each binary_data_size.")


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = codec.parse(body)
    except codec.BadBody as error:
        raise BadSchema(error.sentence.replace("instances", "inputs")) from None
    if not isinstance(document, dict):
        raise BadSchema('The body is not an object; send {"inputs": [...]}.')
    return document


def _split(body: bytes, header: bytes) -> tuple[bytes, memoryview]:
    if not header.isdigit() or len(header) > _MOST_DIGITS or int(header) > len(body):
        said = header[:40].decode("latin-1")
        raise BadTensor(
            f"Inference-Header-Content-Length is {said}; it is the number of bytes of JSON in the body."
        )
    length = int(header)
    return body[:length], memoryview(body)[length:]


def _tensor(given: Any, number: int, reader: _Raw) -> Tensor:
    if not isinstance(given, dict):
        raise BadSchema(f"inputs[{number}] is not an object; send name, shape, datatype and data.")
    try:
        name, datatype, shape = given["name"], given["datatype"], given["shape"]
    except KeyError as missing:
        raise BadSchema(f"inputs[{number}] has no {missing.args[0]}.") from None
    if not isinstance(name, str) or not isinstance(datatype, str):
        raise BadSchema(f"The name and the datatype of inputs[{number}] are strings.")
    datatype = datatype.upper()
    parameters = _parameters(given, f"inputs[{number}]")
    sizes = _shape(shape, number)
    if "binary_data_size" in parameters:
        raw = reader.take(name, parameters.pop("binary_data_size"))
        return Tensor(name, datatype, sizes, raw=raw, parameters=parameters)
    data = given.get("data")
    if not isinstance(data, list):
        raise BadSchema(f"'data' field is missing for input '{name}' or is no list; send its values.")
    if datatype == "FP16":
        raise BadTensor(
            f"Sending FP16 data via JSON is not supported. Please use the binary data format for input {name}"
        )
    return Tensor(name, datatype, sizes, data=data, parameters=parameters)


def _shape(shape: Any, number: int) -> list[int]:
    if isinstance(shape, list):
        if all(type(size) is int and size >= -1 for size in shape):
            return shape
        try:
            sizes = [int(size) for size in shape]
            if all(float(size) == whole >= -1 for size, whole in zip(shape, sizes, strict=True)):
                return sizes
        except (TypeError, ValueError, OverflowError):
            pass
    raise BadSchema(f"The shape of inputs[{number}] is not a list of whole numbers.")


def _requested(given: Any) -> RequestedOutput:
    if not isinstance(given, dict) or not isinstance(given.get("name"), str):
        raise BadSchema('Each of the outputs asked for is an object with a name, {"name": "output-0"}.')
    return RequestedOutput(given["name"], _parameters(given, "an output asked for"))


def _text(document: dict[str, Any], key: str) -> str:
    value = document.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadSchema(f"The {key} is not a string.")
    return value


def _parameters(document: dict[str, Any], what: str) -> dict[str, Any]:
    value = document.get("parameters")
    if not value:
        return {}
    if not isinstance(value, dict) or any(isinstance(each, dict | list) for each in value.values()):
        raise BadSchema(f"The parameters of {what} are an object of strings, numbers and booleans.")
    return value
