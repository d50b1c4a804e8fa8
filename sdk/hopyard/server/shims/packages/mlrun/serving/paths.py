"""Dotted paths into bodies: where the request is in what was sent, and where the answer goes."""

from typing import Any


def value_at(path: str | None, body: Any) -> Any:
    """Return what is at `a.b` in a body, None if it is not there. Raises TypeError for a body without keys."""
    if not path:
        return body
    if not hasattr(body, "__getitem__"):
        raise TypeError("input_path parameter supports only dict-like event bodies")
    value = body
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def stored(path: str | None, body: Any, answer: Any) -> Any:
    """Return the body with the answer at `a.b`, or the answer itself where no path is given."""
    if not path or not body:
        return answer
    *parents, last = path.split(".")
    place = body
    for key in parents:
        place = place.setdefault(key, {})
    place[last] = answer
    return body
