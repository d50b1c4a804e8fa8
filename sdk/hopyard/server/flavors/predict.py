"""The Hopsworks style: a class `Predict`, built once with no arguments, called with the list of rows.

A method whose parameter is annotated as a numpy array gets an array, one annotated as a list gets lists, and
any other what the protocol carries: lists from V1, arrays from V2.
"""

import gc
import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from hopyard.server.bodies import arrays, cloudevents, codec, rows
from hopyard.server.bodies.tensors import TensorRequest, numpy_module
from hopyard.server.config import event_manners
from hopyard.server.failures import Failure
from hopyard.server.flavors import Alone, Exchange, Host, Model, Operation, Reply

STYLE = "Predict"
VERBS = ("predict", "classify", "regress", "explain")
INFER = ("predict", "classify", "regress")


def find(module: ModuleType, host: Host) -> type | None:
    """Return the script's class `Predict`, its own or imported; or the class that was named."""
    found = getattr(module, host.class_name or "Predict", None)
    return found if isinstance(found, type) else None


def build(found: type, host: Host) -> list[Model]:
    """Construct `Predict()` and take the methods it has; one of predict, classify and regress is enough."""
    instance = found()
    methods = {verb: getattr(instance, verb, None) for verb in VERBS}
    operations = {
        verb: Operation(run=_taking(method), is_async=_is_async(method), is_rowwise=True)
        for verb, method in methods.items()
        if callable(method)
    }
    first = next((verb for verb in INFER if verb in operations), None)
    if first is None:
        raise nothing_to_call(found)
    kinds = {verb: _kind(methods[verb]) for verb in operations}
    encode = _encoder(host.name)
    verbs = {
        verb: Exchange(operation, _decode_array if kinds[verb] == "array" else _decode, encode)
        for verb, operation in operations.items()
    }
    tensors = Exchange(
        operations[first],
        _decode_tensors_as_lists if kinds[first] == "list" else rows.rows_of,
        rows.response_of,
    )

    def unload() -> None:
        close = getattr(instance, "close", None)
        if callable(close):
            close()
        gc.collect()

    return [
        Model(
            name=host.name,
            style=STYLE,
            version=host.version,
            verbs=verbs,
            tensors=tensors,
            load=lambda: build(found, host)[0],
            unload=unload,
        )
    ]


def nothing_to_call(found: type) -> Failure:
    return Failure(
        "MethodMissing",
        f"The class {found.__name__} in {_file(found)} has none of the methods "
        "predict, classify and regress; add at least predict(self, inputs).",
    )


def _taking(method: Any) -> Any:
    """The method for payloads as they come; what must not be joined with others is unwrapped."""

    def run(payload: Any) -> Any:
        return method(payload.payload if type(payload) is Alone else payload)

    return run


def _decode(request: Any) -> Any:
    headers = request.headers
    if b"ce-specversion" in headers or headers.get(b"content-type", b"").startswith(cloudevents.STRUCTURED):
        return _decode_event(request)
    return codec.decode(request.body)


def _decode_array(request: Any) -> Any:
    headers = request.headers
    if b"ce-specversion" in headers or headers.get(b"content-type", b"").startswith(cloudevents.STRUCTURED):
        return numpy_module().asarray(_decode_event(request))
    return arrays.decode(request)


def _decode_event(request: Any) -> Any:
    event = cloudevents.unwrap(request.headers, request.body)
    if event is None:
        return codec.decode(request.body)
    request.notes = event
    return codec.rows_in(event.data)


def _encoder(model: str) -> Callable[[Any, Any], Any]:
    manners = event_manners()

    def encode(value: Any, request: Any) -> Any:
        if type(value) is not list and (hasattr(value, "__next__") or hasattr(value, "__anext__")):
            return Reply(stream=value, content_type=b"application/x-ndjson")
        body = codec.encode(value)
        return body if request.notes is None else cloudevents.wrap(body, request.notes, model, manners)

    return encode


def _decode_tensors_as_lists(asked: TensorRequest) -> Any:
    return rows.as_lists(rows.rows_of(asked))


def _kind(method: Any) -> str:
    """What the first parameter says it takes: `array`, `list` or nothing."""
    try:
        parameters = list(inspect.signature(method).parameters.values())
    except (TypeError, ValueError):
        return ""
    annotation = str(parameters[0].annotation) if parameters else ""
    if "ndarray" in annotation or "NDArray" in annotation or "ArrayLike" in annotation:
        return "array"
    return "list" if "list" in annotation.lower() else ""


def _file(found: type) -> str:
    try:
        return Path(inspect.getfile(found)).name
    except (TypeError, OSError):
        return found.__module__


def _is_async(method: Any) -> bool:
    return inspect.iscoroutinefunction(method) or inspect.iscoroutinefunction(
        getattr(method, "__call__", None)  # noqa: B004
    )
