"""Asking with rows: V1, tensors, and the V2 requests that may be predicted together with others."""

from collections.abc import Callable, Mapping
from typing import Any

from hopyard.server.bodies import codec, rows
from hopyard.server.bodies.tensors import BadTensor, TensorRequest, TensorResponse
from hopyard.server.bodies.v2_requests import are_tensors
from hopyard.server.flavors import Alone, Exchange, Operation
from hopyard.server.flavors.mlrun.bodies import answer_of, body_of, event_id, event_of, outputs_of
from hopyard.server.flavors.mlrun.construct import wait_until_loaded
from hopyard.server.flavors.mlrun.events import Event, now
from hopyard.server.flavors.mlrun.plan import base_of
from hopyard.server.http.requests import Request
from hopyard.server.replies import Reply

HOOKS = ("preprocess", "validate", "postprocess", "do_event", "logged_results")
ADDRESSING = frozenset(("inputs", "id", "model", "operation", "version"))
INFER = ("infer", "predict")

Run = Callable[[Any], Any]


def is_plain(model: Any) -> bool:
    """Whether nothing but `predict` decides about the outputs, so that rows may be predicted with others."""
    base = base_of(type(model))
    if base is None or not isinstance(getattr(model, "__dict__", None), dict):
        return False
    stream = getattr(getattr(model, "context", None), "stream", None)
    if getattr(stream, "enabled", False) or getattr(model, "protocol", "v2") != "v2":
        return False
    if getattr(model, "_input_path", None) or getattr(model, "_result_path", None):
        return False
    return not any(
        name in vars(model) or getattr(type(model), name) is not getattr(base, name, None) for name in HOOKS
    )


def joined_exchanges(
    model: Any, predict: Run, ask: Run, *, name: str, version: str
) -> tuple[dict[str, Exchange], Operation]:
    """Return the exchanges `infer` and `predict`, and their operation: a list of rows, or `Alone` an event."""

    def run(payload: Any) -> Any:
        if type(payload) is Alone:
            return ask(payload.payload)
        if not model.ready:
            wait_until_loaded(model)
        return predict({"inputs": payload})

    operation = Operation(run, is_rowwise=True)
    tail = {"model_version": version} if version else {}

    def exchange(verb: str) -> Exchange:
        def decode(request: Request) -> Any:
            body = body_of(request)
            if model.ready and type(body) is dict and _may_be_joined(body, request):
                request.notes = (body["id"] if "id" in body else event_id(request), now())
                return body["inputs"]
            return Alone(event_of(request, verb, body))

        return Exchange(operation, decode, encode)

    def encode(value: Any, request: Request) -> bytes | Reply:
        notes = request.notes
        if notes is None:
            return encode_event(value, request)
        document = {"id": notes[0], "model_name": name, "outputs": value, "timestamp": notes[1], **tail}
        return codec.dumps(document)

    return {verb: exchange(verb) for verb in INFER}, operation


def encode_event(value: Any, request: Request) -> bytes | Reply:
    """Answer with what an event was answered with, or with what came instead of one."""
    if isinstance(value, Event):
        value = None if value.body is value else value.body
    return answer_of(value)


def v1_exchange(operation: Operation, verb: str, *, joined: bool) -> Exchange:
    """Return V1: instances in, predictions out."""

    def decode(request: Request) -> Any:
        given = codec.decode(request.body)
        return given if joined else _event(given, verb, event_id(request))

    def encode(value: Any, request: Request) -> bytes | Reply:
        if isinstance(value, Event):
            value = outputs_of(value.body)
        if hasattr(value, "status_code"):
            return answer_of(value)
        return codec.encode(value)

    return Exchange(operation, decode, encode)


def tensor_exchange(operation: Operation, *, joined: bool) -> Exchange:
    """Return V2 inference with tensors: the model is asked with a list of rows."""

    def decode(asked: TensorRequest) -> Any:
        given = _rows(asked)
        return given if joined else _event(given, "infer", asked.id or asked.request_id)

    def encode(value: Any, asked: TensorRequest) -> TensorResponse:
        return rows.response_of(outputs_of(value.body) if isinstance(value, Event) else value, asked)

    return Exchange(operation, decode, encode)


def holds_tensors(request: Request) -> bool:
    """Whether the body of this request is one of the Open Inference Protocol."""
    if b"inference-header-content-length" in request.headers:
        return True
    if b'"datatype"' not in request.body:
        return False
    try:
        document = codec.parse(request.body)
    except codec.BadBody:
        return False
    return isinstance(document, Mapping) and are_tensors(document.get("inputs"))


def _may_be_joined(body: dict[str, Any], request: Request) -> bool:
    given = body.get("inputs")
    return (
        type(given) is list
        and bool(given)
        and body.keys() <= ADDRESSING
        and body.get("operation", "infer") in INFER
        and b"mlrun-event-path" not in request.headers
    )


def _event(given: list[Any], operation: str, identity: str) -> Event:
    return Event({"inputs": given}, method="POST", path=operation, event_id=identity)


def _rows(asked: TensorRequest) -> list[Any]:
    """One row of each tensor in their order makes one row of the model's. Raises BadTensor."""
    payload = rows.as_lists(rows.rows_of(asked))
    if not isinstance(payload, Alone):
        listed: list[Any] = payload.values.tolist() if hasattr(payload, "columns") else payload
        return listed
    columns = list(payload.payload.values())
    if len({len(column) if isinstance(column, list) else -1 for column in columns}) > 1:
        names = ", ".join(payload.payload)
        raise BadTensor(f"The inputs {names} have different numbers of rows; send as many of each.")
    return [[value for part in parts for value in _flat(part)] for parts in zip(*columns, strict=True)]


def _flat(part: Any) -> list[Any]:
    return part if isinstance(part, list) else [part]
