"""JSON into frozen dataclasses, by their annotations.

Made for servers newer than the client: a key we do not know is ignored, a missing or null one takes the
field's default. What cannot be understood raises WrongShape, which names the place.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")

_hints = cache(get_type_hints)


class WrongShape(ValueError):
    """The JSON is not what the annotation says."""


def decode(kind: type[T], value: Any, where: str = "answer") -> T:
    """Read `value` as `kind`: a dataclass, str, int, float, bool, datetime, list, dict, Any, or a union."""
    return _decode(kind, value, where)  # type: ignore[no-any-return]


def _decode(kind: Any, value: Any, where: str) -> Any:
    if kind is Any:
        return value
    if isinstance(kind, UnionType):
        return _decode_optional(kind, value, where)
    if is_dataclass(kind):
        return _decode_record(kind, value, where)
    if get_origin(kind) in (list, dict):
        return _decode_several(kind, value, where)
    if kind is datetime:
        return _decode_time(value, where)
    return float(value) if kind is float and type(value) is int else _expect(kind, value, where)


def _decode_optional(kind: UnionType, value: Any, where: str) -> Any:
    """A value or null; of several kinds, the first that fits."""
    kinds = get_args(kind)
    if value is None and NoneType in kinds:
        return None
    for candidate in kinds:
        if candidate is not NoneType:
            try:
                return _decode(candidate, value, where)
            except WrongShape as error:
                mismatch = error
    raise mismatch


def _decode_several(kind: Any, value: Any, where: str) -> Any:
    found = _expect(get_origin(kind), value, where)
    item = get_args(kind)[-1]
    if isinstance(found, dict):
        return {name: _decode(item, each, f"{where}.{name}") for name, each in found.items()}
    return [_decode(item, each, f"{where}[{number}]") for number, each in enumerate(found)]


def _decode_record(kind: Any, value: Any, where: str) -> Any:
    found = _expect(dict, value, where)
    hints = _hints(kind)
    known: dict[str, Any] = {}
    for field in fields(kind):
        if found.get(field.name) is None and _has_default(field):
            continue
        if field.name not in found:
            raise WrongShape(f"{where}.{field.name} is missing")
        known[field.name] = _decode(hints[field.name], found[field.name], f"{where}.{field.name}")
    return kind(**known)


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _decode_time(value: Any, where: str) -> datetime:
    try:
        return datetime.fromisoformat(_expect(str, value, where))
    except ValueError as error:
        raise WrongShape(f"{where} is not a time: {value!r}") from error


def _expect(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise WrongShape(f"{where} is {_name(value)} where {kind.__name__} was expected")
    return value


def _name(value: Any) -> str:
    return "null" if value is None else type(value).__name__
