"""Projects, as far as scripts make serving functions in them."""

from collections.abc import Mapping
from typing import Any

from .runtimes import ServingRuntime, code_to_function


class MlrunProject:
    """A name, and the functions made in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.metadata = type("Metadata", (), {"name": name})()
        self._functions: dict[str, ServingRuntime] = {}

    def set_function(
        self, func: Any = None, name: str = "", kind: str = "", *args: Any, **kwargs: Any
    ) -> ServingRuntime:
        """Return a new function, or the one given, as part of this project. `func` may name a .py file."""
        if isinstance(func, ServingRuntime):
            function = func
            function.metadata.project = self.name
        else:
            filename = str(func) if func else ""
            function = code_to_function(name, project=self.name, filename=filename, kind=kind or "serving")
        self._functions[name or function.metadata.name] = function
        return function

    def get_function(self, key: str, *args: Any, **kwargs: Any) -> ServingRuntime:
        """Return a function by name. Raises KeyError."""
        return self._functions[key]

    def set_model_monitoring_credentials(self, *args: Any, **credentials: Any) -> None:
        """Accept them; this server's own inference log needs none."""

    def enable_model_monitoring(self, *args: Any, **settings: Any) -> None:
        """Accept it; the inference log is a setting of the serving."""

    def set_secrets(self, secrets: Mapping[str, Any] | None = None, *args: Any, **kwargs: Any) -> None:
        """Accept them; a served script reads its secrets from the environment of its serving."""

    def save(self, *args: Any, **kwargs: Any) -> "MlrunProject":
        """Nothing is kept beyond this process."""
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(
            f"{name} of a project is not supported by this server; a project has set_function and get_function"
        )


def get_or_create_project(name: str, *args: Any, **kwargs: Any) -> MlrunProject:
    """Return a project; it is known in this process alone."""
    return MlrunProject(name)


def new_project(name: str, *args: Any, **kwargs: Any) -> MlrunProject:
    """Return a project; it is known in this process alone."""
    return MlrunProject(name)


def load_project(
    context: str = "./", url: str = "", name: str = "", *args: Any, **kwargs: Any
) -> MlrunProject:
    """Return a project of this name; nothing is loaded."""
    return MlrunProject(name or "project")
