"""Serving functions: what is to be hosted, tried in this process, or served by the platform."""

import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from .errors import MLRunInvalidArgumentError
from .serving.states import RouterStep, TaskStep
from .serving.v1_serving import MLModelServer
from .serving_spec import ServingSpec
from .unsupported import refused, unsupported

__all__ = ["MLModelServer", "ServingRuntime", "code_to_function", "import_function", "new_function"]

_ADVICE = "copy the function's code into the script, and add its class with add_model"


class ServingRuntime:
    """A function of kind `serving`: a router and its models."""

    kind = "serving"

    def __init__(self, name: str = "", *, project: str = "", tag: str = "", filename: str = "") -> None:
        self.metadata = SimpleNamespace(name=name, project=project, tag=tag or "latest")
        self.spec = ServingSpec()
        self.filename = filename
        self.verbose = False

    @property
    def uri(self) -> str:
        return f"{self.metadata.project}/{self.metadata.name}"

    def set_topology(
        self,
        topology: str | None = None,
        class_name: Any = None,
        engine: Any = None,
        exist_ok: bool = False,
        **args: Any,
    ) -> RouterStep:
        """Make the router and return it. Raises MLRunInvalidArgumentError for a second one."""
        topology = topology or "router"
        if topology == "flow":
            raise refused('the topology "flow"', 'use set_topology("router") with add_model')
        if topology != "router":
            raise MLRunInvalidArgumentError(f"unsupported topology {topology}, use 'router'")
        if self.spec.graph is not None and not exist_ok:
            raise MLRunInvalidArgumentError("graph topology is already set, cannot be overwritten")
        self.spec.graph = RouterStep(class_name, args)
        return self.spec.graph

    def add_model(
        self,
        key: str,
        model_path: str | None = None,
        class_name: Any = None,
        model_url: str | None = None,
        handler: str | None = None,
        router_step: str | None = None,
        child_function: str | None = None,
        **class_args: Any,
    ) -> TaskStep:
        """Add a model, `name` or `name:version`. `class_name`: a class, its name, or an object of one."""
        if model_url or child_function:
            raise refused(
                "model_url and child_function", "add every model with class_name; one server hosts them all"
            )
        class_name = class_name or self.spec.default_class
        if not class_name:
            raise ValueError("class_name must be provided with model_path")
        if not isinstance(class_name, str | type) and not hasattr(class_name, "do_event"):
            raise ValueError("class name must be a string (name of module.submodule.name)")
        graph = self.spec.graph or self.set_topology("router")
        if model_path is not None:
            class_args["model_path"] = str(model_path)
        return graph.add_route(key, TaskStep(class_name, class_args, handler, name=key))

    def remove_states(self, keys: list[str]) -> None:
        """Remove models."""
        if self.spec.graph is not None:
            self.spec.graph.clear_children(keys)

    def set_tracking(
        self,
        stream_path: str | None = None,
        batch: int | None = None,
        sample: int | None = None,
        stream_args: dict[str, Any] | None = None,
        tracking_policy: Any = None,
        enable_tracking: bool = True,
        *,
        sampling_percentage: float | None = None,
    ) -> None:
        """Say what is to be recorded of requests. Raises MLRunInvalidArgumentError for two ways to sample."""
        if sampling_percentage is not None and (batch or sample):
            raise MLRunInvalidArgumentError("give either sample and batch or sampling_percentage, not both")
        given = {
            "log_stream": stream_path,
            "log_stream_batch": batch,
            "log_stream_sample": sample,
            "stream_args": stream_args,
            "sampling_percentage": sampling_percentage,
        }
        self.spec.parameters.update({key: value for key, value in given.items() if value is not None})
        self.spec.track_models = enable_tracking

    def to_mock_server(
        self,
        namespace: Mapping[str, Any] | None = None,
        current_function: str = "*",
        track_models: bool = False,
        workdir: str | None = None,
        **options: Any,
    ) -> Any:
        """Load the models in this process and return a server to `test` them with; close it when done.

        Names of classes are those of the caller, or of `namespace`. What loading raises passes through.
        """
        from hopyard.server.mocking import mock_function

        names = sys._getframe(1).f_globals if namespace is None else _names(namespace)
        if self.spec.graph is None:
            raise MLRunInvalidArgumentError("nothing to serve, .spec.graph is none, use .add_model()")
        return mock_function(self, names)

    def deploy(self, *args: Any, **kwargs: Any) -> str:
        """Say what to do instead."""
        raise refused(
            f"deploy() of {self.metadata.name or 'a function'}",
            "register the script as a model on the platform and create a serving, or run `hopyard serve script.py`; "
            "without this call the script is served as it is",
        )

    def with_limits(
        self, mem: Any = None, cpu: Any = None, gpus: Any = None, gpu_type: str = "nvidia.com/gpu"
    ) -> None:
        """Note the most that a replica gets; the serving's own settings decide."""
        given = {"memory": mem, "cpu": cpu, gpu_type: gpus}
        limits = {key: value for key, value in given.items() if value is not None}
        self.spec.resources.setdefault("limits", {}).update(limits)

    def with_requests(self, mem: Any = None, cpu: Any = None) -> None:
        """Note the least that a replica gets; the serving's own settings decide."""
        given = {"memory": mem, "cpu": cpu}
        requests = {key: value for key, value in given.items() if value is not None}
        self.spec.resources.setdefault("requests", {}).update(requests)

    def gpu(self, gpus: int, gpu_type: str = "nvidia.com/gpu") -> None:
        """Note how many GPUs a replica gets."""
        self.with_limits(gpus=gpus, gpu_type=gpu_type)

    gpus = gpu

    def with_http(self, **settings: Any) -> "ServingRuntime":
        """Note settings of the HTTP front; the serving's own settings decide."""
        self.spec.http = settings
        return self

    def set_env(self, name: str, value: Any = None, *args: Any) -> "ServingRuntime":
        """Note a variable of the environment; set it in the serving."""
        self.spec.env.append({"name": name, "value": str(value)})
        return self

    def set_envs(
        self, env_vars: Mapping[str, Any] | None = None, file_path: str | None = None
    ) -> "ServingRuntime":
        """Note variables of the environment; set them in the serving."""
        for name, value in (env_vars or {}).items():
            self.set_env(name, value)
        return self

    def apply(self, modify: Any) -> "ServingRuntime":
        """Accept a Kubernetes modifier, such as mount_pvc; there is nothing to modify."""
        return self

    def to_dict(self) -> dict[str, Any]:
        """The function as a serving spec, which the variable SERVING_SPEC_ENV may hold."""
        graph = self.spec.graph.to_dict() if self.spec.graph else None
        return {
            "version": "v2",
            "function_uri": self.uri,
            "parameters": self.spec.parameters,
            "graph": graph,
            "load_mode": self.spec.load_mode,
            "track_models": self.spec.track_models,
        }

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(
            f"{name} of a serving function is not supported by this server; a function has set_topology, add_model, "
            "set_tracking, to_mock_server, with_limits, with_requests, with_http, set_env, apply and spec"
        )


def new_function(
    name: str = "",
    project: str = "",
    tag: str = "",
    kind: str = "",
    command: str = "",
    *args: Any,
    **kwargs: Any,
) -> ServingRuntime:
    """Return a new function; only those of kind `serving` are hosted."""
    _serving_only(kind)
    return ServingRuntime(name, project=project, tag=tag, filename=command if command.endswith(".py") else "")


def code_to_function(
    name: str = "",
    project: str = "",
    tag: str = "",
    filename: str = "",
    handler: str = "",
    kind: str = "",
    *args: Any,
    **kwargs: Any,
) -> ServingRuntime:
    """Return a function of the script that calls, or of the file `filename`."""
    _serving_only(kind)
    is_notebook = Path(filename).suffix == ".ipynb"
    if is_notebook:
        raise refused(f"code_to_function({filename})", "save the notebook as a .py file and name that")
    return ServingRuntime(name, project=project, tag=tag, filename=filename)


def import_function(url: str = "", *args: Any, **kwargs: Any) -> ServingRuntime:
    """Say what to do instead."""
    raise refused(f"import_function({url!r})", _ADVICE)


def deploy_function(function: Any, *args: Any, mock: bool | None = None, **kwargs: Any) -> Any:
    """Return a server in this process, with `mock`; otherwise say what to do instead."""
    if mock:
        return function.to_mock_server(sys._getframe(1).f_globals)
    return function.deploy()


nuclio_init_hook = unsupported(
    "nuclio_init_hook", "remove the call; the server finds the model classes itself"
)


def _serving_only(kind: str) -> None:
    if kind and kind != "serving":
        raise refused(f"functions of kind {kind!r}", 'write kind="serving"')


def _names(namespace: Any) -> Mapping[str, Any]:
    return namespace if isinstance(namespace, Mapping) else vars(namespace)
