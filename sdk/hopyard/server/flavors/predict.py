"""The Hopsworks style: a class `Predict`, built once with no arguments, called with the list of rows."""

import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from hopyard.server.failures import Failure
from hopyard.server.flavors import Model, Operation

STYLE = "Predict"
VERBS = ("predict", "classify", "regress")


def find(module: ModuleType) -> type | None:
    """Return the script's class `Predict`, its own or imported."""
    found = getattr(module, "Predict", None)
    return found if isinstance(found, type) else None


def build(found: type, *, name: str) -> Model:
    """Construct `Predict()` and take the methods it has; one of the three is enough."""
    instance = found()
    operations = {}
    for verb in VERBS:
        method = getattr(instance, verb, None)
        if callable(method):
            operations[verb] = Operation(run=method, is_async=_is_async(method), is_rowwise=True)
    if not operations:
        raise Failure(
            "MethodMissing",
            f"The class Predict in {Path(inspect.getfile(found)).name} has none of the methods "
            "predict, classify and regress; add at least predict(self, inputs).",
        )
    return Model(name=name, style=STYLE, operations=operations)


def _is_async(method: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(method) or inspect.iscoroutinefunction(
        getattr(method, "__call__", None)  # noqa: B004
    )
