"""Constructing a user's model the way MLRun does, everything by keyword, and loading it."""

import inspect
import time
from collections.abc import Mapping
from typing import Any

from hopyard.server.failures import Failure
from hopyard.server.flavors.mlrun.context import Context
from hopyard.server.flavors.mlrun.plan import Route, base_of, resolve

POLL_SECONDS = 0.05
MODES = ("", "sync", "async")


def construct(
    route: Route, context: Context, namespace: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
) -> Any:
    """Return the route's object. `defaults` are given where the class takes them and the route has none.

    Its class gets the route's arguments, and of what a host knows what its constructor accepts. Raises Failure
    if there is no such class; what the constructor raises passes through.
    """
    target = resolve(route.target, namespace)
    if not isinstance(target, type):
        return _adopted(target, route, context)
    accepted = _accepted(target)
    given = {**_known(defaults or {}, accepted), **route.args}
    offered = {
        "context": context,
        "name": route.key,
        "input_path": route.input_path,
        "result_path": route.result_path,
        "full_event": None,
        "graph_step": route,
    }
    model = target(**{**_known(offered, accepted), **given})
    refuse_async(model)
    return model


def accepts(kind: type, name: str) -> bool:
    """Whether a class's constructor takes this keyword argument."""
    accepted = _accepted(kind)
    return accepted is None or name in accepted


def load(model: Any, mode: str) -> None:
    """Load now, or begin to, with `async`. What `load` raises passes through as it was."""
    if mode not in MODES:
        raise Failure("ConfigurationInvalid", f"The load_mode is {mode!r}; it is sync or async.")
    try:
        model.post_init(mode or "sync")
    except RuntimeError:
        cause = getattr(model, "error", None)
        if isinstance(cause, BaseException):
            raise cause from None
        raise


def wait_until_loaded(model: Any) -> None:
    """Return when the model is ready; raise what loading it raised."""
    while not getattr(model, "ready", True):
        error = getattr(model, "error", None)
        if isinstance(error, BaseException):
            raise error
        time.sleep(POLL_SECONDS)


def _accepted(kind: type) -> set[str] | None:
    """The constructor's keyword arguments; None if it takes any."""
    try:
        parameters = inspect.signature(kind).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        return None
    return {each.name for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)}


def _known(given: Mapping[str, Any], accepted: set[str] | None) -> dict[str, Any]:
    return {key: value for key, value in given.items() if accepted is None or key in accepted}


def _adopted(model: Any, route: Route, context: Context) -> Any:
    """An object made by the script: it gets the name and the arguments of its route."""
    name, _, version = route.key.partition(":")
    model.context = context
    model.name = name if base_of(type(model)) is None or hasattr(model, "version") else route.key
    if version and hasattr(model, "version"):
        model.version = version
    args = dict(route.args)
    if "model_path" in args:
        model.model_path = args.pop("model_path")
    if args and isinstance(getattr(model, "_params", None), dict):
        model._params.update(args)
    refuse_async(model)
    return model


def refuse_async(model: Any) -> None:
    """Raises Failure MethodAsync for a class, or an object, whose methods would have to be awaited."""
    for name in ("load", "preprocess", "validate", "predict", "explain", "postprocess"):
        if inspect.iscoroutinefunction(getattr(model, name, None)):
            kind = (model if isinstance(model, type) else type(model)).__name__
            raise Failure(
                "MethodAsync",
                f"{kind}.{name} is an async def, and the methods of a V2ModelServer are called without await; "
                f"write def {name}.",
            )
