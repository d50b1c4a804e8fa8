"""V2 inference over REST: bodies of JSON, or of JSON and raw tensors behind it, to tensor requests and back."""

from collections.abc import Mapping
from typing import Any

import orjson

from hopyard.server import codec
from hopyard.server.replies import JSON, Problem
from hopyard.server.requests import Request
from hopyard.server.responses import error_body
from hopyard.server.tensors import BadTensor, RequestedOutput, Tensor, TensorRequest, TensorResponse

OCTETS = b"application/octet-stream"
HEADER_LENGTH = b"inference-header-content-length"
LOGGED_RAW_BYTES = 16 * 1024
_FLAT = orjson.OPT_SERIALIZE_NUMPY


class BadSchema(Problem):
    """The body is not a V2 inference request."""

    def __init__(self, sentence: str) -> None:
        super().__init__(422, sentence, "BadBody")


def read(request: Request, name: str, version: str) -> TensorRequest:
    """Return what was asked. Raises Problem: 422 for a wrong schema, 400 for wrong tensors."""
    header = request.headers.get(HEADER_LENGTH)
    if header is None:
        document, raw = _document(request.body), None
    else:
        document, raw = _split(request.body, header)
    inputs = document.get("inputs")
    if not isinstance(inputs, list):
        raise BadSchema(
            'The body has no list of inputs; send {"inputs": [{"name", "shape", "datatype", "data"}]}.'
        )
    reader = _Raw(raw)
    tensors = [_tensor(each, number, reader) for number, each in enumerate(inputs)]
    reader.finish()
    outputs = document.get("outputs")
    return TensorRequest(
        name,
        tensors,
        version,
        _text(document, "id"),
        _parameters(document, "the request"),
        [_requested(each) for each in outputs] if outputs else None,
        Headers(request.headers),
        is_raw=reader.used,
        request_id=request.id.decode(),
    )


class Headers(Mapping[str, str]):
    """A request's headers as text, decoded when somebody looks."""

    __slots__ = ("_raw",)

    def __init__(self, raw: Mapping[bytes, bytes]) -> None:
        self._raw = raw

    def __getitem__(self, name: str) -> str:
        return self._raw[name.encode("latin-1")].decode("latin-1")

    def __iter__(self) -> Any:
        return (name.decode("latin-1") for name in self._raw)

    def __len__(self) -> int:
        return len(self._raw)


class RestSender:
    """Answers one request with tensors."""

    __slots__ = ("_asked", "_request", "_sent")

    def __init__(self, request: Request, asked: TensorRequest) -> None:
        self._request = request
        self._asked = asked
        self._sent: TensorResponse | bytes = b""

    @property
    def abandoned(self) -> bool:
        return self._request.abandoned

    def answered(self, response: TensorResponse) -> None:
        asked = self._asked
        try:
            binary = _wanted_raw(asked, response)
            headers = _lines(response.headers)
            if binary:
                head, body = _write_raw(response, binary)
                headers += b"inference-header-content-length: %d\r\n" % head
                self._sent = response
                self._request.respond(200, body, headers=headers, content_type=OCTETS)
            else:
                self._sent = body = write(response)
                self._request.respond(200, body, headers=headers, content_type=JSON)
        except Problem as problem:
            self.refused(problem)

    def refused(self, problem: Problem) -> None:
        request = self._request
        reply = problem.reply
        if reply is not None:
            request.respond(reply.status, reply.body, headers=reply.headers, content_type=reply.content_type)
        else:
            request.respond(problem.status, error_body(problem.sentence, problem.code, request.id))

    def bodies(self) -> tuple[bytes, bytes]:
        """Raw tensors are turned into JSON for the inference log while they are small enough to be kept."""
        body = self._request.body
        inputs = as_json(self._asked) if self._asked.is_raw and len(body) <= LOGGED_RAW_BYTES else body
        outputs = self._sent if isinstance(self._sent, bytes) else _forgiving(self._sent)
        return inputs, outputs


def write(response: TensorResponse) -> bytes:
    """Return a response as JSON. Raises BadTensor for what JSON cannot hold."""
    document = {
        "model_name": response.model_name,
        "model_version": response.model_version or None,
        "id": response.id,
        "parameters": response.parameters or None,
        "outputs": [
            {
                "name": each.name,
                "shape": list(each.shape),
                "datatype": each.datatype,
                "parameters": each.parameters or None,
                "data": _values(each),
            }
            for each in response.outputs
        ],
    }
    try:
        return orjson.dumps(document, option=_FLAT)
    except TypeError:
        return codec.dumps(document, place="the response")


def as_json(asked: TensorRequest) -> bytes:
    """Return a request as the JSON body it could have been, for the inference log."""
    inputs = [
        {"name": each.name, "shape": list(each.shape), "datatype": each.datatype, "data": _logged(each)}
        for each in asked.inputs
    ]
    return codec.dumps({"id": asked.id, "inputs": inputs} if asked.id else {"inputs": inputs})


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


def _split(body: bytes, header: bytes) -> tuple[dict[str, Any], memoryview]:
    if not header.isdigit() or int(header[:20]) > len(body):
        said = header[:40].decode("latin-1")
        raise BadTensor(
            f"Inference-Header-Content-Length is {said}; it is the number of bytes of JSON in the body."
        )
    length = int(header)
    try:
        return _document(body[:length]), memoryview(body)[length:]
    except BadSchema as problem:
        raise BadTensor(problem.sentence) from None


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
        if all(type(size) is int for size in shape):
            return shape
        try:
            sizes = [int(size) for size in shape]
            if all(float(size) == whole for size, whole in zip(shape, sizes, strict=True)):
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


def _wanted_raw(asked: TensorRequest, response: TensorResponse) -> set[str]:
    if asked.outputs:
        return {each.name for each in asked.outputs if each.parameters.get("binary_data")}
    if asked.parameters.get("binary_data_output"):
        return {each.name for each in response.outputs}
    return set()


def _write_raw(response: TensorResponse, binary: set[str]) -> tuple[int, bytes]:
    outputs, parts = [], []
    for each in response.outputs:
        parameters = {k: v for k, v in each.parameters.items() if k != "binary_data_size"}
        described: dict[str, Any] = {"name": each.name, "shape": list(each.shape), "datatype": each.datatype}
        if each.name in binary:
            raw = each.as_raw()
            parts.append(raw)
            parameters["binary_data_size"] = len(raw)
        else:
            described["data"] = _values(each)
        outputs.append({**described, "parameters": parameters} if parameters else described)
    document = {
        "id": response.id,
        "model_name": response.model_name,
        "model_version": response.model_version or None,
        "outputs": outputs,
    }
    head = codec.dumps(document, place="the response")
    return len(head), b"".join((head, *parts))


def _values(tensor: Tensor) -> Any:
    if tensor.datatype in ("FP16", "BF16"):
        raise BadTensor(
            f"Sending {tensor.datatype} data via JSON is not supported. "
            f"Please use the binary data format for output {tensor.name}"
        )
    if tensor.datatype == "BYTES":
        return [_string(each, tensor.name) for each in tensor.as_list()]
    if tensor.array is not None:
        return tensor.array.ravel()
    return tensor.as_list()


def _string(element: Any, name: str) -> Any:
    if not isinstance(element, bytes):
        return element
    try:
        return element.decode()
    except UnicodeDecodeError:
        raise BadTensor(f"The output {name} is not UTF-8; ask for it as binary data.") from None


def _forgiving(response: TensorResponse) -> bytes:
    try:
        return write(response)
    except (Problem, codec.Unserialisable):
        return b""


def _logged(tensor: Tensor) -> Any:
    try:
        values = tensor.as_list()
    except Problem:
        return None
    return [each.decode(errors="replace") if isinstance(each, bytes) else each for each in values]


def _lines(headers: Mapping[str, str]) -> bytes:
    """Header lines of the model's own; none can end the header early."""
    lines = (f"{name}: {value}".replace("\r", " ").replace("\n", " ") for name, value in headers.items())
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1", errors="replace")
