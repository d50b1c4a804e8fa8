"""One of the user's objects as a `Model`: how it is asked in its own words, and in those of V1 and V2."""

import gc
import logging
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

from hopyard.server.failures import one_line, trimmed_traceback
from hopyard.server.flavors import Alone, Exchange, Model, Operation
from hopyard.server.flavors.mlrun import problems, rowwise
from hopyard.server.flavors.mlrun.bodies import body_of, event_of
from hopyard.server.flavors.mlrun.events import Event
from hopyard.server.flavors.mlrun.fetching import fetch
from hopyard.server.flavors.mlrun.plan import base_of
from hopyard.server.http.requests import Request

STYLE = "V2ModelServer"
OWN_WORDS: tuple[str | None, ...] = ("", "infer", "predict", "explain", "ready")
DATATYPES = {
    "int": "INT64",
    "integer": "INT64",
    "float": "FP64",
    "double": "FP64",
    "bool": "BOOL",
    "str": "BYTES",
}

NOT_FETCHED = (
    "ValueError: data_url is not fetched here, as callers could reach what only this server can; "
    "send the data itself, or set HOPYARD_DATA_URLS=on"
)

log = logging.getLogger(__name__)


def model_of(
    target: Any,
    key: str,
    *,
    handler: str = "",
    version: str = "",
    fetches: bool = False,
    lock: "Lock | None" = None,
    rebuild: Callable[[], Model] | None = None,
) -> Model:
    """Describe a constructed object. `lock` is held in its calls, where others than its thread make some;
    `fetches`: whether a request may name a URL to fetch its input from.
    """
    name, _, own_version = key.partition(":")
    version = own_version or version
    ask = _asking(locked(getattr(target, handler or "do_event"), lock), name, fetches=fetches)
    operation = Operation(ask)
    operations = {each or "": _own_words(operation, each) for each in OWN_WORDS}
    operations["*"] = _own_words(operation, None)
    if _is_untouched(target, "do_event") and not handler:
        operations["ready"] = _own_words(Operation(_at_once(ask), is_async=True), "ready")
    joined = not handler and rowwise.is_plain(target)
    rows = operation
    if joined:
        predict = locked(_logged(target.predict, name), lock)
        exchanges, rows = rowwise.joined_exchanges(target, predict, ask, name=name, version=version)
        operations |= exchanges
    verbs = {"predict": rowwise.v1_exchange(rows, "infer", joined=joined)}
    if not _is_untouched(target, "explain"):
        verbs["explain"] = rowwise.v1_exchange(operation, "explain", joined=False)
    return Model(
        name=name,
        style=STYLE,
        version=version,
        verbs=verbs,
        tensors=rowwise.tensor_exchange(rows, joined=joined),
        operations=operations,
        accepts_tensors=rowwise.holds_tensors,
        metadata=lambda: _metadata(target),
        trouble=lambda: "" if getattr(target, "ready", True) else _trouble(target, name),
        problem=problems.problem,
        absent=problems.absent,
        load=rebuild,
        unload=_forget,
    )


def locked(call: Callable[..., Any], lock: "Lock | None") -> Callable[..., Any]:
    """Return a call that is made by one thread at a time."""
    if lock is None:
        return call

    def run(*args: Any) -> Any:
        with lock:
            return call(*args)

    return run


def _asking(do_event: Callable[[Event], Any], name: str, *, fetches: bool) -> Callable[[Any], Any]:
    def ask(payload: Any) -> Any:
        event: Event = payload.payload if type(payload) is Alone else payload
        if event.data_url:
            if not fetches:
                raise problems.plain(NOT_FETCHED, code="BadBody")
            event.body = {"inputs": [fetch(event.data_url)]}
        return do_event(event)

    return _logged(ask, name)


def _logged(call: Callable[[Any], Any], name: str) -> Callable[[Any], Any]:
    """The caller is told in one line what the log has in full."""

    def run(payload: Any) -> Any:
        try:
            return call(payload)
        except problems.NotReady:
            raise
        except Exception as error:
            log.warning("%s failed\n%s", name, trimmed_traceback(error))
            raise

    return run


def _at_once(ask: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Readiness is told on the event loop, where no prediction is in its way."""

    async def run(event: Event) -> Any:
        if event.path != "ready":
            raise ValueError(f"illegal model operation ready, asked for {event.path}")
        return ask(event)

    return run


def _own_words(operation: Operation, name: str | None) -> Exchange:
    def decode(request: Request) -> Event:
        return event_of(request, name, body_of(request))

    return Exchange(operation, decode, rowwise.encode_event)


def _is_untouched(target: Any, name: str) -> bool:
    """Whether a method is still that of V2ModelServer."""
    base = base_of(type(target))
    untouched = base is not None and getattr(type(target), name, None) is getattr(base, name, None)
    return untouched and name not in getattr(target, "__dict__", {})


def _trouble(target: Any, name: str) -> str:
    error = getattr(target, "error", None)
    if isinstance(error, BaseException):
        return f"The model {name} failed to load: {one_line(error)}"
    return f"The model {name} is loading."


def _metadata(target: Any) -> Mapping[str, Any]:
    spec = getattr(target, "model_spec", None)
    return {
        side: [_tensor(each) for each in getattr(spec, side, None) or ()] for side in ("inputs", "outputs")
    }


def _tensor(feature: Any) -> dict[str, Any]:
    kind = str(getattr(feature, "value_type", None) or "float")
    return {"name": str(feature.name), "datatype": DATATYPES.get(kind, kind.upper()), "shape": [-1]}


def _forget() -> None:
    gc.collect()
