"""The graph of a serving function: a router and its models. Flows are not hosted here."""

from typing import Any

from ..unsupported import unsupported

MOST_ROUTES = 4500
_ADVICE = 'use set_topology("router") and add_model'
ErrorStep = unsupported("ErrorStep", _ADVICE)
FlowStep = unsupported("FlowStep", _ADVICE)
QueueStep = unsupported("QueueStep", _ADVICE)
RootFlowStep = unsupported("RootFlowStep", _ADVICE)


class TaskStep:
    """One model of a router: its class (or its name, or an object of it) and the class's arguments."""

    kind = "task"

    def __init__(
        self,
        class_name: Any = None,
        class_args: dict[str, Any] | None = None,
        handler: str | None = None,
        name: str | None = None,
        **more: Any,
    ) -> None:
        self.class_name = class_name
        self.class_args = dict(class_args or {})
        self.handler = handler
        self.name = name
        self.input_path = more.get("input_path")
        self.result_path = more.get("result_path")

    def to_dict(self) -> dict[str, Any]:
        """As in a serving spec."""
        fields = ("kind", "class_args", "handler", "input_path", "result_path")
        known = {key: getattr(self, key) for key in fields if getattr(self, key)}
        return {**known, "class_name": name_of(self.class_name)}


class RouterStep:
    """The routes of a function, by model name, in the order they were added."""

    kind = "router"

    def __init__(
        self, class_name: Any = None, class_args: dict[str, Any] | None = None, name: str = ""
    ) -> None:
        self.class_name = class_name
        self.class_args = dict(class_args or {})
        self.name = name
        self.input_path: str | None = self.class_args.pop("input_path", None)
        self.result_path: str | None = self.class_args.pop("result_path", None)
        self.routes: dict[str, TaskStep] = {}

    def add_route(
        self,
        key: str,
        route: TaskStep | None = None,
        class_name: Any = None,
        handler: str | None = None,
        **args: Any,
    ) -> TaskStep:
        """Add a model; one of the same name is replaced. Raises ValueError without a class."""
        if route is None and not class_name:
            raise ValueError("route or class_name must be specified")
        if len(self.routes) >= MOST_ROUTES and key not in self.routes:
            raise ValueError(f"a router has at most {MOST_ROUTES} models")
        step = route or TaskStep(class_name, args, handler, name=key)
        self.routes[key] = step
        return step

    def clear_children(self, routes: list[str] | None = None) -> None:
        """Remove these models, or all."""
        for key in list(self.routes) if routes is None else routes:
            self.routes.pop(key, None)

    def to_dict(self) -> dict[str, Any]:
        """As in a serving spec."""
        return {
            "kind": self.kind,
            "class_name": name_of(self.class_name) if self.class_name else None,
            "class_args": self.class_args,
            "routes": {key: step.to_dict() for key, step in self.routes.items()},
        }

    def plot(self, *args: Any, **kwargs: Any) -> str:
        """The routes as text."""
        return "\n".join(f"{self.name or 'router'} -> {key}" for key in self.routes)


def name_of(target: Any) -> str:
    """A class's name, whether its name, itself or an object of it is given."""
    if isinstance(target, str):
        return target
    return target.__name__ if isinstance(target, type) else type(target).__name__
