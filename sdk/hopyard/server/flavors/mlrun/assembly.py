"""From a plan to models: every object is constructed and loaded, an ensemble among them."""

from collections.abc import Mapping
from dataclasses import replace
from threading import Lock
from typing import Any

from hopyard.server.failures import Failure
from hopyard.server.flavors import Host, Model
from hopyard.server.flavors.mlrun import construct, plan
from hopyard.server.flavors.mlrun.context import Context, Stream
from hopyard.server.flavors.mlrun.ensembles import ENSEMBLES, Child, ParallelRun
from hopyard.server.flavors.mlrun.hosting import locked, model_of
from hopyard.server.flavors.mlrun.plan import Plan, Route
from hopyard.server.flavors.mlrun.recording import Recorder


def models_of(stated: Plan, host: Host) -> list[Model]:
    """Construct and load everything in this thread; an ensemble is the first of the models."""
    context = _context(stated, host)
    if stated.router is None:
        return [_model(route, stated, host, context, lock=None) for route in stated.routes]
    kind, fetches = _router_class(stated.router, stated), host.fetches_data_urls
    locks = {route.key: Lock() for route in stated.routes}
    targets = {route.key: _constructed(route, stated, host, context) for route in stated.routes}
    models = [
        model_of(targets[route.key], route.key, handler=route.handler, lock=locks[route.key], fetches=fetches)
        for route in stated.routes
    ]
    children = {
        route.key: Child(locked(getattr(targets[route.key], route.handler or "do_event"), locks[route.key]))
        for route in stated.routes
    }
    router = construct.construct(
        Route(stated.router.key, kind, {**stated.router.args, "routes": children}), context, stated.namespace
    )
    construct.load(router, "sync")
    _record(router, context)
    return [
        _with_messages(each, host) for each in (model_of(router, stated.router.key, fetches=fetches), *models)
    ]


def divided(kind: type[Any], options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split options into arguments that a class takes and parameters for the rest."""
    args = {key: value for key, value in options.items() if construct.accepts(kind, key)}
    return args, {key: value for key, value in options.items() if key not in args}


def _model(route: Route, stated: Plan, host: Host, context: Context, *, lock: "Lock | None") -> Model:
    target = _constructed(route, stated, host, context)
    version = host.version if stated.is_named_by_host else ""
    model = model_of(
        target,
        route.key,
        handler=route.handler,
        version=version,
        fetches=host.fetches_data_urls,
        lock=lock,
        rebuild=lambda: _model(route, stated, host, context, lock=lock),
    )
    return _with_messages(model, host)


def _with_messages(model: Model, host: Host) -> Model:
    return replace(model, messages=host.messages)


def _constructed(route: Route, stated: Plan, host: Host, context: Context) -> Any:
    defaults = {"model_path": str(host.files_dir.absolute())} if host.files_dir else {}
    target = construct.construct(route, context, stated.namespace, defaults)
    if not callable(getattr(target, "post_init", None)):
        raise Failure(
            "ClassInvalid",
            f"{type(target).__name__}, the class of the model {route.key}, is no V2ModelServer; derive it from "
            "mlrun.serving.V2ModelServer.",
        )
    if stated.is_named_by_host and host.version and getattr(target, "version", None) == "":
        target.version = host.version
    construct.load(target, stated.load_mode)
    _record(target, context)
    return target


def _record(target: Any, context: Context) -> None:
    """Have a model's calls recorded, where a stream takes records. An installed MLRun would make a pusher of its own
    only for what an MLRun API knows.
    """
    if context.stream.enabled and hasattr(target, "_model_logger"):
        target._model_logger = Recorder(target, context.stream)
        if hasattr(target, "initialized"):  # else a request's body may ask MLRun to make its own
            target.initialized = True


def _router_class(router: Route, stated: Plan) -> type[Any]:
    """The router's class: one of this server's ensembles by its name, or one derived from them. Raises Failure."""
    name = str(router.target).rpartition(".")[2] if isinstance(router.target, str) else ""
    kind = ENSEMBLES.get(name) if name not in stated.namespace else None
    kind = kind or plan.resolve(router.target, stated.namespace)
    if isinstance(kind, type) and not issubclass(kind, ParallelRun):
        kind = ENSEMBLES.get(kind.__name__, kind) if kind.__module__.startswith("mlrun.") else kind
    if not isinstance(kind, type) or not issubclass(kind, ParallelRun):
        raise Failure(
            "ConfigurationInvalid",
            f"The router {name or kind!r} is not supported; use ModelRouter, VotingEnsemble, ParallelRun, or a "
            "class derived from one of the last two.",
        )
    return kind


def _context(stated: Plan, host: Host) -> Context:
    context = Context(stated.parameters, project=stated.project)
    tracking = stated.parameters.get("log_stream")
    context.stream.stream_uri = str(tracking or "")
    if host.messages is not None:
        context.stream = Stream.of(host.messages, stream_uri=context.stream.stream_uri)
    return context
