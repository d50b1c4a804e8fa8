"""One of the user's model objects as a `Model` of this server."""

import importlib
import inspect
from contextlib import suppress
from typing import Any

from hopyard.server.config import event_manners
from hopyard.server.failures import Failure
from hopyard.server.flavors import Exchange, Host, Model
from hopyard.server.flavors.kserve import batching, bodies, problems, signatures
from hopyard.server.flavors.kserve.inference import Inference, exchange_parts
from hopyard.server.flavors.kserve.pipeline import Loop, Pipeline, pipeline

STYLE = "Model"
VERBS = ("predict", "explain")
NAMES = ("name", "model_name")
FILES = ("model_dir", "model_path", "models_dir", "path")


def base_class() -> Any:
    """Return the class all models derive from, of the kserve that the script imported."""
    module = importlib.import_module("kserve.model")
    return getattr(module, "BaseKServeModel", None) or module.Model


def construct(kind: type, host: Host, *, name: str) -> Any:
    """Construct a class with the arguments it takes: its name, the directory of its files, and options."""
    known: dict[str, Any] = dict.fromkeys(NAMES, name) | dict(host.options)
    if host.files_dir is not None:
        known = dict.fromkeys(FILES, str(host.files_dir)) | known
    parameters = inspect.signature(kind).parameters.values()
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return kind(name)
    given = {each.name: known[each.name] for each in parameters if each.name in known}
    missing = [
        each
        for each in parameters
        if each.default is each.empty and each.name not in known and each.kind is not each.VAR_KEYWORD
    ]
    return kind(name) if len(missing) == 1 and not given else kind(**given)


def described(
    instance: Any, name: str, host: Host, *, loop: Loop | None = None, repository: Any = None
) -> Model:
    """Return what the server needs to know of a constructed model. Raises Failure for one without handlers."""
    loop = loop or Loop()
    check = bodies.checker("inputs" if _protocol(instance) == "v2" else "instances")
    label = str(getattr(instance, "name", None) or name)
    lines = {verb: pipeline(instance, verb, check, name=label) for verb in VERBS if hasattr(instance, verb)}
    lines = lines or {"predict": pipeline(instance, "predict", check, name=label)}
    manners = event_manners()

    def load() -> Model:
        fresh = _loaded(instance, name, loop, repository)
        return described(fresh, name, host, loop=loop, repository=repository)

    return Model(
        name=name,
        style=STYLE,
        verbs={
            verb: _rest(
                line, host, loop, decode=bodies.decoder(line, loop), encode=bodies.encoder(name, manners)
            )
            for verb, line in lines.items()
        },
        tensors=_tensors(lines["predict"], host, loop) if "predict" in lines else None,
        metadata=lambda: _metadata(instance),
        trouble=lambda: _trouble(instance, name),
        problem=problems.problem,
        load=load,
        unload=lambda: _unload(instance, loop),
    )


def _rest(line: Pipeline, host: Host, loop: Loop, *, decode: Any, encode: Any) -> Exchange:
    exchange = Exchange(line.operation(host, loop), decode, encode)
    return batching.rest(line, exchange, host, loop) if batching.can_join(line) else exchange


def _tensors(line: Pipeline, host: Host, loop: Loop) -> Exchange:
    inference = Inference()
    if batching.can_join(line):
        return batching.tensors(line, inference, host, loop)
    return Exchange(line.operation(host, loop), *exchange_parts(line, inference, loop))


def _protocol(instance: Any) -> str:
    """The protocol that a transformer's predictor speaks, which is what its payloads are checked by."""
    config = getattr(instance, "predictor_config", None)
    protocol = getattr(config, "predictor_protocol", None) or getattr(instance, "protocol", "v1")
    return str(getattr(protocol, "value", protocol)).lower()


def _loaded(instance: Any, name: str, loop: Loop, repository: Any) -> Any:
    """Have a repository that can load do so, else the model itself. Raises Failure if it is not ready then."""
    if repository is not None and _can_load(repository):
        loop.settle(repository.load(name))
        instance = repository.get_model(name) or instance
    else:
        loop.settle(instance.load())
    if not instance.ready:
        raise Failure(
            "NotReady", f"Model with name {name} is not ready after its load(); it should set self.ready."
        )
    return instance


def _can_load(repository: Any) -> bool:
    """Whether a repository has a `load` of its own."""
    owner = next((each for each in type(repository).__mro__ if "load" in vars(each)), type(repository))
    return owner.__module__ != "kserve.model_repository"


def _unload(instance: Any, loop: Loop) -> None:
    loop.settle(instance.stop() if hasattr(instance, "stop") else None)
    if getattr(instance, "engine", False) and hasattr(instance, "stop_engine"):
        loop.settle(instance.stop_engine())
    with suppress(AttributeError):  # a property of the user's own
        instance.ready = False


def _trouble(instance: Any, name: str) -> str:
    ready = instance.ready
    if ready and signatures.is_overridden(instance, "healthy"):
        ready = at_once(instance.healthy(), otherwise=ready)
    return "" if ready else f"Model with name {name} is not ready."


def _metadata(instance: Any) -> dict[str, Any]:
    told = {}
    for key, method in (("inputs", "get_input_types"), ("outputs", "get_output_types")):
        told[key] = at_once(getattr(instance, method, list)(), otherwise=[]) or []
    return told


def at_once(value: Any, *, otherwise: Any) -> Any:
    """Return a value, or what a coroutine returns if it waits for nothing; `otherwise` if it would wait."""
    if not inspect.iscoroutine(value):
        return otherwise if inspect.isawaitable(value) else value
    try:
        value.send(None)
    except StopIteration as done:
        return done.value
    value.close()
    return otherwise
