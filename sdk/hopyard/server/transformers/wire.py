"""What passes between a transformer and its predictor: V1 and V2 requests as bytes, V2 answers as tensors."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from hopyard.server.bodies import codec
from hopyard.server.bodies.tensors import Tensor, TensorRequest, TensorResponse
from hopyard.server.bodies.v2_requests import HEADER_LENGTH
from hopyard.server.replies import JSON, Problem

_OCTETS = b"application/octet-stream"
_NOT_PASSED_ON = frozenset(
    {
        b"authorization",
        b"connection",
        b"content-encoding",
        b"content-length",
        b"expect",
        b"host",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"x-api-key",
        b"x-request-id",
    }
)
_OURS = (b"x-hopyard-", b":", b"grpc-")


class Head(NamedTuple):
    """What is asked, where, and for whom. `token` lets the transformer in where callers need a key, whose id goes
    along.
    """

    method: bytes
    target: bytes
    request_id: bytes
    key_id: str | None
    token: bytes


def request(head: Head, headers: Mapping[bytes, bytes], body: bytes) -> bytes:
    """Return an HTTP request with the caller's own headers."""
    lines = [b"%b %b HTTP/1.1\r\nhost: predictor\r\nx-request-id: %b\r\n" % head[:3]]
    lines += [
        b"%b: %b\r\n" % (name, value)
        for name, value in headers.items()
        if name not in _NOT_PASSED_ON and not name.startswith(_OURS)
    ]
    if head.token:
        lines.append(b"x-hopyard-internal: %b\r\n" % head.token)
        if head.key_id:
            lines.append(b"x-hopyard-caller: %b\r\n" % head.key_id.encode("latin-1"))
    lines.append(b"content-length: %d\r\n\r\n" % len(body))
    lines.append(body)
    return b"".join(lines)


def written(asked: TensorRequest) -> tuple[dict[bytes, bytes], bytes]:
    """Return headers and body of a V2 request. All outputs are asked for, as raw values, which any of them can be."""
    raw: list[bytes | memoryview] = []
    inputs = [_input(each, raw) for each in asked.inputs]
    document: dict[str, Any] = {
        "inputs": inputs,
        "parameters": {**asked.parameters, "binary_data_output": True},
    }
    if asked.id:
        document["id"] = asked.id
    head = codec.dumps(document, place="the request")
    headers = {name.lower().encode("latin-1"): text.encode("latin-1") for name, text in asked.headers.items()}
    headers[b"content-type"] = _OCTETS if raw else JSON
    headers.pop(HEADER_LENGTH, None)
    if raw:
        headers[HEADER_LENGTH] = b"%d" % len(head)
    return headers, b"".join((head, *raw))


def response(headers: Mapping[bytes, bytes], body: bytes) -> TensorResponse:
    """Return what a V2 answer holds. Raises Problem 502 for one that is none."""
    length = headers.get(HEADER_LENGTH)
    try:
        end = len(body) if length is None else int(length)
        document = codec.parse(body[:end])
        raw = memoryview(body)[end:]
        outputs = []
        for each in document["outputs"]:
            tensor, size = _output(each, raw)
            outputs.append(tensor)
            raw = raw[size:]
        return TensorResponse(
            str(document.get("model_name") or ""),
            outputs,
            str(document.get("model_version") or ""),
            str(document.get("id") or ""),
            document.get("parameters") or {},
        )
    except (codec.BadBody, KeyError, TypeError, ValueError, AttributeError) as error:
        sentence = f"The predictor's answer holds no tensors: {error}"
        raise Problem(502, sentence, "AnswerInvalid") from None


def _input(tensor: Tensor, raw: list[bytes | memoryview]) -> dict[str, Any]:
    told: dict[str, Any] = {"name": tensor.name, "shape": list(tensor.shape), "datatype": tensor.datatype}
    parameters = dict(tensor.parameters)
    if tensor.data is not None and tensor.datatype != "FP16":
        told["data"] = tensor.data
    else:
        values = tensor.as_raw()
        raw.append(values)
        parameters["binary_data_size"] = len(values)
    return {**told, "parameters": parameters} if parameters else told


def _output(told: Mapping[str, Any], raw: memoryview) -> tuple[Tensor, int]:
    parameters = dict(told.get("parameters") or {})
    size = int(parameters.pop("binary_data_size", 0) or 0)
    made = Tensor(str(told["name"]), str(told["datatype"]), list(told["shape"]), parameters=parameters)
    if "data" in told:
        made.data = told["data"]
    else:
        made.raw = raw[:size]
    return made, size
