"""`ModelServer().start(models)`, whichever ModelServer it is: the script's models become those of this server."""

import importlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hopyard.server.flavors import Host, Model
from hopyard.server.flavors.kserve import deployments, describe
from hopyard.server.flavors.kserve.pipeline import Loop

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Hosting:
    """The server that waits for the models of a script. Without a host, as in a replica, `start` does nothing."""

    host: Host | None
    handed_over: bool = False


_current: Hosting | None = None


def expect(host: Host | None) -> Hosting:
    """Have the models of the next `start` handed to this host."""
    global _current  # noqa: PLW0603 - a script's ModelServer has no other way to find its server
    _current = Hosting(host)
    return _current


def start(server: Any, models: Any) -> None:
    """Serve what a script handed to its ModelServer, until the server stops.

    A list of models: those that are not ready are left out. A dict by name: models, their classes, and
    deployments, whose replicas are started now. Raises NoModelReady, ValueError for an empty name,
    RuntimeError for what is no model.
    """
    if _current is None:
        raise RuntimeError(
            "There is no server to hand the models to: this stand-in for kserve works in scripts that Hopyard "
            "serves. Install kserve to run the script by itself."
        )
    host = _current.host
    if host is None:
        return
    loop = Loop()
    _register(server, models, host, loop)
    hosted = [_model(server, name, each, host=host, loop=loop) for name, each in _registered(server).items()]
    _current.handed_over = True
    try:
        host.hand_over(hosted)
    finally:
        _stop(hosted)


def _register(server: Any, models: Any, host: Host, loop: Loop) -> None:
    if isinstance(models, Mapping):
        for name, each in models.items():
            server.registered_models.update(_of_dict(each, name, host, loop), name)
    elif isinstance(models, list):
        _register_list(server, models, loop)
    else:
        raise RuntimeError("Unknown model collection type")


def _register_list(server: Any, models: list[Any], loop: Loop) -> None:
    ready = []
    for each in models:
        if not isinstance(each, describe.base_class()):
            raise RuntimeError("Model type should be 'BaseKServeModel'")
        if each.ready:
            server.register_model(each)
            ready.append(each)
        elif each.name:
            log.warning("Model with name %s is not ready and is left out; call its load() first.", each.name)
        loop.settle(each.start())
    if models and not ready:
        raise _no_model_ready(models)


def _no_model_ready(models: list[Any]) -> Exception:
    kind = getattr(importlib.import_module("kserve.errors"), "NoModelReady", RuntimeError)
    error: Exception = kind(models)
    return error


def _of_dict(value: Any, name: str, host: Host, loop: Loop) -> Any:
    """A deployment as it is; a class constructed; a model started."""
    if deployments.deployment_of(value) is not None:
        return _Named(value, name)
    if isinstance(value, type) and issubclass(value, describe.base_class()):
        value = describe.construct(value, host, name=name)
    if not isinstance(value, describe.base_class()):
        raise RuntimeError("Model type should be 'BaseKServeModel'")
    loop.settle(value.start())
    return value


class _Named:
    """A deployment under the name it is served as, among a repository's models."""

    ready = True

    def __init__(self, value: Any, name: str) -> None:
        self.value = value
        self.name = name


def _registered(server: Any) -> dict[str, Any]:
    registered: dict[str, Any] = server.registered_models.get_models()
    return registered


def _model(server: Any, name: str, each: Any, *, host: Host, loop: Loop) -> Model:
    deployment = deployments.deployment_of(each.value if isinstance(each, _Named) else each)
    if deployment is not None:
        return deployments.replicated(deployment, name, host)
    return describe.described(each, name, host, loop=loop, repository=server.registered_models)


def _stop(models: list[Model]) -> None:
    for model in models:
        try:
            if model.unload is not None:
                model.unload()
        except Exception:
            log.exception("%s failed while it was stopped", model.name)
