"""What a script says is to be hosted: one class, or the models and the router of a serving function."""

import importlib
import importlib.util
import inspect
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from hopyard.server.failures import Failure

BASE = "V2ModelServer"
SPEC_VARIABLE = "SERVING_SPEC_ENV"


@dataclass(frozen=True, slots=True)
class Route:
    """One object to construct. `target`: its class, the class's name, or the object itself."""

    key: str
    target: Any
    args: Mapping[str, Any] = field(default_factory=dict)
    input_path: str | None = None
    result_path: str | None = None
    handler: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything to host. Class names are looked up in `namespace`, then imported."""

    routes: tuple[Route, ...]
    namespace: Mapping[str, Any]
    router: Route | None = None
    load_mode: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    project: str = ""
    is_named_by_host: bool = False


def of_function(function: Any, namespace: Mapping[str, Any]) -> Plan:
    """Return the plan of a function built with `set_topology` and `add_model`."""
    spec = function.spec
    graph = spec.graph
    filename = getattr(function, "filename", "")
    names = {**_defined_in(filename), **namespace} if filename else namespace
    return Plan(
        tuple(_route(key, step, spec) for key, step in graph.routes.items()),
        names,
        router=_router(graph),
        load_mode=getattr(spec, "load_mode", None) or "",
        parameters=dict(getattr(spec, "parameters", None) or {}),
        project=str(getattr(getattr(function, "metadata", None), "project", "") or ""),
    )


def of_object(model: Any, name: str, args: Mapping[str, Any]) -> Plan:
    """Return the plan of one object that the script made."""
    return Plan((Route(name, model, args),), {})


def of_document(document: Any, namespace: Mapping[str, Any]) -> Plan:
    """Return the plan of a serving spec, as MLRun hands it to its containers. Raises Failure."""
    graph = document.get("graph") if isinstance(document, dict) else None
    if not isinstance(graph, dict) or graph.get("kind") != "router":
        raise Failure(
            "ConfigurationInvalid",
            f"{SPEC_VARIABLE} describes no router; graphs of kind router are served, with models as routes.",
        )
    steps = graph.get("routes") or {}
    return Plan(
        tuple(_route(key, _Fields(step), _Fields(document)) for key, step in steps.items()),
        namespace,
        router=_router(_Fields(graph)),
        load_mode=document.get("load_mode") or "",
        parameters=document.get("parameters") or {},
        project=str(document.get("function_uri") or "").partition("/")[0],
    )


def of_environment(namespace: Mapping[str, Any]) -> Plan | None:
    """Return the plan that the environment holds, if it holds one. Raises Failure."""
    text = os.environ.get(SPEC_VARIABLE, "")
    if not text:
        return None
    try:
        document = json.loads(text)
    except ValueError as error:
        raise Failure("ConfigurationInvalid", f"{SPEC_VARIABLE} is not JSON: {error}.") from None
    return of_document(document, namespace)


def functions_of(module: ModuleType) -> Iterator[Any]:
    """The script's serving functions that have models."""
    for value in dict(vars(module)).values():
        if not hasattr(type(value), "add_model") or not hasattr(type(value), "set_topology"):
            continue
        if getattr(getattr(value.spec, "graph", None), "routes", None):
            yield value


def model_classes(module: ModuleType) -> list[type]:
    """The script's model classes that no other of them derives from; its own before imported ones."""
    found = [value for value in dict(vars(module)).values() if is_model_class(value)]
    found = [each for each in dict.fromkeys(found) if not each.__module__.startswith("mlrun.")] or found
    own = [each for each in found if each.__module__ == module.__name__] or found
    return [each for each in own if not any(each is not other and issubclass(other, each) for other in own)]


def is_model_class(value: Any) -> bool:
    """Whether this is a class derived from V2ModelServer, or one that behaves as if it were."""
    if not isinstance(value, type) or _is_base(value):
        return False
    return base_of(value) is not None or all(
        callable(getattr(value, name, None)) for name in ("do_event", "post_init", "predict")
    )


def base_of(kind: type) -> type | None:
    """The V2ModelServer that a class derives from, this package's or MLRun's."""
    return next((each for each in kind.__mro__ if _is_base(each)), None)


def resolve(target: Any, namespace: Mapping[str, Any]) -> Any:
    """Return the class a route names, or the class or object it is. Raises Failure."""
    if not isinstance(target, str):
        return target
    if target in namespace:
        return namespace[target]
    module, _, name = target.rpartition(".")
    if module:
        try:
            return getattr(importlib.import_module(module), name)
        except (AttributeError, ModuleNotFoundError):
            pass
    classes = [name for name, value in namespace.items() if inspect.isclass(value)]
    raise Failure(
        "ClassMissing",
        f"There is no class {target}; the script has {', '.join(classes) or 'none'}. "
        "Name one of them, or module.Class of an installed module.",
    )


class _Fields:
    """A JSON object whose keys are attributes; what is absent is None."""

    def __init__(self, document: Any) -> None:
        self._document = document if isinstance(document, dict) else {}

    def __getattr__(self, name: str) -> Any:
        return self._document.get(name)


def _route(key: str, step: Any, spec: Any) -> Route:
    args = dict(step.class_args or {})
    target = step.class_name or getattr(spec, "default_class", None)
    if target == "$remote" or getattr(step, "model_url", None):
        raise Failure(
            "ConfigurationInvalid",
            f"The model {key} is served elsewhere (model_url), which is not supported; add it with class_name.",
        )
    if not target:
        raise Failure("ConfigurationInvalid", f"The model {key} has no class; add it with class_name.")
    return Route(
        key,
        target,
        args,
        input_path=getattr(step, "input_path", None),
        result_path=getattr(step, "result_path", None),
        handler=getattr(step, "handler", None) or "",
    )


def _router(graph: Any) -> Route | None:
    """The router's own route; None for the plain one, which only routes."""
    target = graph.class_name
    name = target if isinstance(target, str) else getattr(target, "__name__", type(target).__name__)
    if not target or name.rpartition(".")[2] == "ModelRouter":
        return None
    args = dict(getattr(graph, "class_args", None) or {})
    key = args.pop("name", None) or getattr(graph, "name", None) or name.rpartition(".")[2]
    return Route(str(key), target, args, input_path=graph.input_path, result_path=graph.result_path)


def _is_base(kind: type) -> bool:
    return kind.__name__ == BASE and kind.__module__.split(".")[0] == "mlrun"


def _defined_in(filename: str) -> dict[str, Any]:
    """Import the file that a function was made of."""
    path = Path(filename)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise Failure("ScriptNotFound", f"The function's file {filename} cannot be read; check its path.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return vars(module)
