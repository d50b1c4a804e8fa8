"""How long writing a value will take: whether the event loop may do it, or a thread should."""

from typing import Any

QUICK_VALUES = 50_000
_PLAIN = {bool, bytes, dict, float, int, str, tuple, type(None)}
_OUR_MODULES = ("hopyard.server", "kserve", "mlrun")


def is_quick(value: Any) -> bool:
    """Whether a value is written in no time: a plain one of moderate size, or one of our own."""
    kind = type(value)
    if kind is list:
        width = len(value[0]) if value and type(value[0]) is list else 1
        return len(value) * width <= QUICK_VALUES
    if kind in _PLAIN:
        return True
    if kind.__module__ == "numpy":
        return getattr(value, "size", 1) <= QUICK_VALUES
    return kind.__module__.startswith(_OUR_MODULES)
