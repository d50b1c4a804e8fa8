"""Metrics: named numbers or texts on a version, few and short enough to be shown."""

from typing import Any

from models_registry.errors import RegistryError

MOST = 200
LONGEST_NAME = 100
LONGEST_TEXT = 500
LARGEST = 1.7e308


def checked(metrics: dict[str, Any]) -> dict[str, Any]:
    """The metrics as they are, or RegistryError with what is wrong with them."""
    if len(metrics) > MOST:
        raise RegistryError(
            f"A version has at most {MOST} metrics, and these are {len(metrics)}; leave some out."
        )
    for name, value in metrics.items():
        if len(name) > LONGEST_NAME:
            raise RegistryError(
                f"The name of a metric has at most {LONGEST_NAME} characters; shorten {name[:40]!r}…."
            )
        _check_value(name, value)
    return metrics


def _check_value(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise RegistryError(f"The metric {name} must be a number or a text.")
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            raise RegistryError(
                f"The metric {name} has at most {LONGEST_TEXT} characters; put longer texts into the description."
            )
    elif not abs(value) <= LARGEST:
        raise RegistryError(f"The metric {name} is too large a number.")
