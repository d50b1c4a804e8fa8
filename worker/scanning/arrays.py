"""How many bytes of an array stand between two operations of a file that joblib wrote."""

import re
from typing import Any

from worker.scanning.machine import Imported, Machine, Made, Mapping

WRAPPER = Imported("joblib.numpy_pickle", "NumpyArrayWrapper")
DTYPES = {Imported("numpy", "dtype"), Imported("numpy.dtypes", "dtype")}
LETTERS = re.compile(r"[<>|=]?([?a-zA-Z])(\d*)")
MOST_BYTES = 2**50


class Unreadable(ValueError):
    """The description of an array does not say how long it is."""


def wrapped(machine: Machine) -> "dict[str, Any] | None":
    """The description of an array whose bytes come next, if BUILD has just made one."""
    top = machine.stack[-1] if machine.stack else None
    if isinstance(top, Made) and _class_of(top) == WRAPPER and isinstance(top.state, Mapping):
        return top.state.known
    return None


def holds_objects(described: dict[str, Any]) -> bool:
    """Whether a pickle of its own follows instead of plain numbers."""
    return _has_objects(described.get("dtype"))


def byte_count(described: dict[str, Any]) -> int:
    shape = described.get("shape")
    if not isinstance(shape, tuple):
        raise Unreadable("the shape of an array is missing")
    count = _item_bytes(described.get("dtype"))
    for length in shape:
        if isinstance(length, Made) and isinstance(length.arguments, tuple) and length.arguments:
            length = length.arguments[-1]  # noqa: PLW2901 - a numpy integer
        if isinstance(length, bytes):
            length = int.from_bytes(length, "little")  # noqa: PLW2901
        if not isinstance(length, int) or not 0 <= length < MOST_BYTES:
            raise Unreadable("the shape of an array is not readable")
        count *= length
    if count > MOST_BYTES:
        raise Unreadable("an array is impossibly big")
    return count


def is_padded(described: dict[str, Any]) -> bool:
    return described.get("numpy_array_alignment_bytes") is not None


def _class_of(made: Made) -> Any:
    """The class of an instance, also where protocol 0 or 1 made it by `copyreg._reconstructor`."""
    arguments = made.arguments
    if isinstance(made.by, Imported) and made.by.name == "_reconstructor" and isinstance(arguments, tuple):
        return arguments[0] if arguments else None
    return made.by


def _text_of(dtype: Any) -> str:
    if not isinstance(dtype, Made) or dtype.by not in DTYPES or not isinstance(dtype.arguments, tuple):
        raise Unreadable("the type of an array is not readable")
    text = dtype.arguments[0] if dtype.arguments else None
    if not isinstance(text, str):
        raise Unreadable("the type of an array is not readable")
    return text


def _item_bytes(dtype: Any) -> int:
    match = LETTERS.fullmatch(_text_of(dtype))
    if match is None:
        raise Unreadable("the type of an array is not readable")
    return int(match[2] or 1) * (4 if match[1] == "U" else 1)


def _has_objects(dtype: Any, depth: int = 0) -> bool:
    text = _text_of(dtype)
    if text.lstrip("<>|=").startswith("O"):
        return True
    state = dtype.state
    fields = state[4] if isinstance(state, tuple) and len(state) > 4 else None
    if depth > 8 or not isinstance(fields, Mapping):
        return False
    inner = [each[0] for each in fields.known.values() if isinstance(each, tuple) and each]
    return any(isinstance(each, Made) and _has_objects(each, depth + 1) for each in inner)
