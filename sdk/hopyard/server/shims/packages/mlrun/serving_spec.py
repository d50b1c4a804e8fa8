"""The settings of a serving function."""

from types import SimpleNamespace
from typing import Any

from .serving.states import RouterStep


class ServingSpec(SimpleNamespace):
    """The settings of a function; any may be set. `load_mode` (sync, async) and `parameters` take effect here,
    resources and replicas are settings of the serving on the platform.
    """

    graph: RouterStep | None
    parameters: dict[str, Any]

    def __init__(self, **given: Any) -> None:
        defaults: dict[str, Any] = {
            "graph": None,
            "parameters": {},
            "load_mode": None,
            "readiness_timeout": None,
            "min_replicas": None,
            "max_replicas": None,
            "replicas": None,
            "default_class": None,
            "default_content_type": None,
            "track_models": False,
            "env": [],
            "resources": {},
        }
        super().__init__(**{**defaults, **given})
