"""V2 inference over REST: answers of tensors, as JSON or as JSON with raw tensors behind it."""

import logging
from typing import Any

import orjson

from hopyard.server.bodies import codec
from hopyard.server.bodies.headers import lines
from hopyard.server.bodies.tensors import BadTensor, Tensor, TensorRequest, TensorResponse
from hopyard.server.bodies.v2_requests import HEADER_LENGTH, read
from hopyard.server.failures import one_line
from hopyard.server.http.requests import Request
from hopyard.server.replies import JSON, Problem

OCTETS = b"application/octet-stream"
LOGGED_RAW_BYTES = 4 * 1024  # are 66 us of the event loop as JSON
_FLAT = orjson.OPT_SERIALIZE_NUMPY

log = logging.getLogger(__name__)


class RestSender:
    """Answers one request with tensors."""

    __slots__ = ("_asked", "_request", "_sent")
    protocol = "v2"

    def __init__(self, request: Request, asked: TensorRequest) -> None:
        self._request = request
        self._asked = asked
        self._sent: TensorResponse | bytes = b""

    @property
    def abandoned(self) -> bool:
        return self._request.abandoned

    def answered(self, response: TensorResponse) -> Problem | None:
        try:
            binary = _wanted_raw(self._asked, response)
            headers = lines(response.headers)
            if binary:
                head, body = _write_raw(response, binary)
                headers += b"%b: %d\r\n" % (HEADER_LENGTH, head)
                self._sent, kind = response if len(body) <= LOGGED_RAW_BYTES else body, OCTETS
            else:
                body = write(response)
                self._sent, kind = body, JSON
        except Problem as problem:
            return self._not_written(problem)
        except Exception as error:  # what a script put into its response may fail in any way
            sentence = f"The model's answer cannot be written: {one_line(error)}"
            log.error("%s [%s]", sentence, self._request.id.decode())
            return self._not_written(Problem(500, sentence, "AnswerInvalid"))
        self._request.respond(200, body, headers=headers, content_type=kind)
        return None

    def refused(self, problem: Problem) -> None:
        self._request.refuse(problem)

    def _not_written(self, problem: Problem) -> Problem:
        self._request.refuse(problem)
        return problem

    def bodies(self, asked: bool, answered: bool) -> tuple[bytes | None, bytes | None]:
        """Raw tensors are turned into JSON for the inference log while that is soon done."""
        return self._inputs() if asked else None, self._outputs() if answered else None

    def _inputs(self) -> bytes:
        body = self._request.body
        return as_json(self._asked) if self._asked.is_raw and len(body) <= LOGGED_RAW_BYTES else body

    def _outputs(self) -> bytes:
        return self._sent if isinstance(self._sent, bytes) else _forgiving(self._sent)


def write(response: TensorResponse) -> bytes:
    """Return a response as JSON. Raises Problem, for what only binary data can hold a BadTensor, and
    Unserialisable.
    """
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
                "parameters": _parameters(each) or None,
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


def _wanted_raw(asked: TensorRequest, response: TensorResponse) -> set[str]:
    if asked.outputs:
        return {each.name for each in asked.outputs if each.parameters.get("binary_data")}
    if asked.parameters.get("binary_data_output"):
        return {each.name for each in response.outputs}
    return set()


def _write_raw(response: TensorResponse, binary: set[str]) -> tuple[int, bytes]:
    outputs, parts = [], []
    for each in response.outputs:
        parameters = _parameters(each)
        described: dict[str, Any] = {"name": each.name, "shape": list(each.shape), "datatype": each.datatype}
        if each.name in binary:
            raw = _raw(each)
            parts.append(raw)
            parameters["binary_data_size"] = len(raw)
        else:
            described["data"] = _values(each)
        outputs.append({**described, "parameters": parameters} if parameters else described)
    document = {
        "id": response.id,
        "model_name": response.model_name,
        "model_version": response.model_version or None,
        **({"parameters": response.parameters} if response.parameters else {}),
        "outputs": outputs,
    }
    head = codec.dumps(document, place="the response")
    return len(head), b"".join((head, *parts))


def _parameters(tensor: Tensor) -> dict[str, Any]:
    """Those of the model; how an output is sent is decided here."""
    return {name: value for name, value in tensor.parameters.items() if name != "binary_data_size"}


def _raw(tensor: Tensor) -> bytes | memoryview:
    try:
        return tensor.as_raw()
    except BadTensor as problem:
        raise Problem(500, problem.sentence, "AnswerInvalid") from None


def _values(tensor: Tensor) -> Any:
    if tensor.datatype in ("FP16", "BF16"):
        raise BadTensor(
            f"Sending {tensor.datatype} data via JSON is not supported. "
            f"Please use the binary data format for output {tensor.name}"
        )
    if tensor.datatype == "BYTES":
        return [_string(each, tensor.name) for each in _flat(tensor)]
    return tensor.array.ravel() if tensor.array is not None else _flat(tensor)


def _flat(tensor: Tensor) -> list[Any]:
    try:
        return tensor.as_list()
    except BadTensor as problem:
        raise Problem(500, problem.sentence, "AnswerInvalid") from None


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


__all__ = ["RestSender", "as_json", "read", "write"]
