"""`ray.serve`: deployments described as in Ray Serve; `kserve.ModelServer` starts their replicas."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = ["Application", "Deployment", "DeploymentHandle", "deployment", "run", "shutdown", "start"]


@dataclass(frozen=True)
class Deployment:
    """A class, and how many processes each hold one of it. `init_args` are those it is constructed with."""

    func_or_class: Callable[..., Any]
    name: str
    num_replicas: int = 1
    ray_actor_options: dict[str, Any] = field(default_factory=dict)
    init_args: tuple[Any, ...] = ()
    init_kwargs: dict[str, Any] = field(default_factory=dict)

    def options(self, **options: Any) -> "Deployment":
        """Return a deployment that differs in these options; those the server has no use for are left out."""
        return replace(self, **_known(options))

    def bind(self, *args: Any, **kwargs: Any) -> "Application":
        """Return what `run` takes: this, with the arguments of its constructor."""
        return Application(replace(self, init_args=args, init_kwargs=kwargs))

    def deploy(self, *args: Any, **kwargs: Any) -> None:
        """Say what to do instead."""
        raise NotImplementedError(
            f"Hand {self.name} to kserve.ModelServer().start() instead of calling deploy()."
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            f"{self.name} is a deployment and is constructed in its replicas; use {self.name}.bind(...)."
        )


@dataclass(frozen=True)
class Application:
    """A deployment that is ready to run."""

    deployment: Deployment


@dataclass(frozen=True)
class DeploymentHandle:
    """A running deployment; here, one whose replicas the server starts when it is handed over."""

    deployment: Deployment

    def remote(self, *args: Any, **kwargs: Any) -> Any:
        """Say what to do instead."""
        raise NotImplementedError(
            f"The replicas of {self.deployment.name} are asked by the server; wrap the handle in a "
            "kserve.ray.RayModel and hand that to ModelServer().start()."
        )


def deployment(func_or_class: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Decorate a class, with or without options: name, num_replicas, ray_actor_options."""

    def decorate(target: Callable[..., Any]) -> Deployment:
        known = _known(options)
        known["name"] = known.get("name") or target.__name__
        return Deployment(target, **known)

    return decorate if func_or_class is None else decorate(func_or_class)


def run(target: Application | Deployment, **options: Any) -> DeploymentHandle:
    """Return the handle of an application."""
    return DeploymentHandle(target.deployment if isinstance(target, Application) else target)


def start(*args: Any, **options: Any) -> None:
    """Nothing to start: the server is Serve."""


def shutdown() -> None:
    """Nothing to end: replicas end with the server."""


def _known(options: dict[str, Any]) -> dict[str, Any]:
    known = {key: options[key] for key in ("name", "num_replicas", "ray_actor_options") if options.get(key)}
    if known.get("num_replicas") == "auto":
        known["num_replicas"] = 1
    for key in ("init_args", "init_kwargs"):
        if options.get(key):
            known[key] = options[key]
    return known
