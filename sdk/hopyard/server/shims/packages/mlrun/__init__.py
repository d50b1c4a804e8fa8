"""A stand-in for MLRun, as far as scripts that serve models use it; an installed `mlrun` always wins over it.

Model classes derive from `serving.V2ModelServer`; functions are built with `code_to_function`, `new_function`
or a project's `set_function`, tried with `to_mock_server`, and hosted when their script is served.
"""

from typing import Any

from . import artifacts, datastore, errors, runtimes, serving, utils
from .datastore import DataItem, get_dataitem, get_object
from .execution import MLClientCtx
from .projects import MlrunProject, get_or_create_project, load_project, new_project
from .runtimes import ServingRuntime, code_to_function, deploy_function, import_function, new_function

__version__ = "1.7.2"

__all__ = [
    "DataItem",
    "MLClientCtx",
    "MlrunProject",
    "ServingRuntime",
    "artifacts",
    "code_to_function",
    "datastore",
    "deploy_function",
    "errors",
    "get_dataitem",
    "get_object",
    "get_or_create_project",
    "import_function",
    "load_project",
    "new_function",
    "new_project",
    "runtimes",
    "serving",
    "utils",
]


def __getattr__(name: str) -> Any:
    raise AttributeError(
        f"mlrun.{name} is not part of this server's stand-in for MLRun, which serves models; install mlrun in the "
        "environment if the script needs it."
    )
