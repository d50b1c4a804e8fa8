"""The values of a call that its record can be found by, whichever protocol it was asked in.

`{"in": {name: [values]}, "out": {name: [values]}}`, a value a row. Names are those of the caller: keys of rows, names
of tensors, columns of a table; those of a row in a row are joined by dots. A column without a name has its number,
and a value that is a whole row has an empty name. What is beyond the bounds below is left out.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from serving.texts import storable

MOST_ROWS = 32
MOST_NAMES = 64
MOST_CHARACTERS = 100
NUMBERS = tuple(map(str, range(MOST_NAMES)))
LARGEST_NUMBER = 2**63
ROWS = ("instances", "inputs", "dataframe_records", "predictions", "outputs")
TABLES = ("dataframe_split", *ROWS)
AROUND = frozenset({"id", "parameters", "model_name", "model_version", "signature_name", "timestamp"})

Value = str | int | float | bool | None
Columns = dict[str, list[Value]]


def of(inputs: str, outputs: str) -> dict[str, Columns]:
    """Those of a call's two bodies; a body that is not kept, or is no JSON, has none."""
    return {"in": columns(inputs), "out": columns(outputs)}


def columns(body: str) -> Columns:
    """The values in a body of any protocol, by name."""
    try:
        said = json.loads(body) if body else None
        found: Columns = {}
        for name, value in _values(said):
            _add(found, name, value)
    except (ValueError, RecursionError):
        return {}
    return found


def _add(found: Columns, name: str, value: Any) -> None:
    column = found.get(name)
    if column is None:
        name = _text(name)
        if name not in found and len(found) >= MOST_NAMES:
            return
        column = found.setdefault(name, [])
    if len(column) < MOST_ROWS:
        kind = type(value)
        is_plain = kind is int and -LARGEST_NUMBER < value < LARGEST_NUMBER
        column.append(value if is_plain or kind is bool else _value(value))


def _values(said: Any) -> Iterator[tuple[str, Any]]:
    """Every value with its name, row by row."""
    if isinstance(said, list):
        yield from _rows(said)
    if not isinstance(said, dict):
        return
    for key in TABLES:
        if isinstance(table := said.get(key), dict) and _is_split(table):
            yield from _split(table)
            return
    if _is_split(said):
        yield from _split(said)
        return
    for key in ROWS:
        if key in said:
            yield from _under(said[key])
            return
    if "error" not in said:
        yield from _row({name: value for name, value in said.items() if name not in AROUND})


def _under(said: Any) -> Iterator[tuple[str, Any]]:
    """What is said of rows: a list of tensors, of rows, columns by name, or a single value."""
    if isinstance(said, list):
        tensors = [each for each in said if _is_tensor(each)]
        if tensors and len(tensors) == len(said):
            for tensor in tensors[:MOST_NAMES]:
                yield from _tensor(tensor)
        else:
            yield from _rows(said)
    elif isinstance(said, dict):
        yield from _row(said)
    else:
        yield "", said


def _rows(rows: list[Any]) -> Iterator[tuple[str, Any]]:
    for row in rows[:MOST_ROWS]:
        if isinstance(row, (dict, list)):
            yield from _row(row)
        else:
            yield "", row


def _row(row: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The values of one row; a list by number, but one of plain values under a name are that name's values."""
    if isinstance(row, dict):
        for key, value in _first(row.items()):
            yield from _named(value, f"{name}.{key}" if name else key)
    elif isinstance(row, list):
        names = (f"{name}.{number}" for number in NUMBERS) if name else NUMBERS
        yield from zip(names, _flat(row), strict=False)
    else:
        yield name, row


def _named(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, list) or any(isinstance(each, (dict, list)) for each in value[:MOST_ROWS]):
        each_row = value[:MOST_ROWS] if isinstance(value, list) else [value]
        for row in each_row:
            yield from _row(row, name)
    else:
        for each in value[:MOST_ROWS]:
            yield name, each


def _tensor(tensor: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """A tensor of one column is its name's values; the columns of a wider one are numbered after it."""
    data, shape = tensor.get("data"), tensor["shape"]
    width = math.prod(shape[1:]) if shape else 1
    if not isinstance(data, list):
        return
    for number, value in enumerate(_flat(data, MOST_ROWS * MOST_NAMES)):
        row, column = divmod(number, max(width, 1))
        if row >= MOST_ROWS:
            return
        if column < MOST_NAMES:
            yield tensor["name"] if width <= 1 else f"{tensor['name']}.{column}", value


def _is_tensor(said: Any) -> bool:
    return (
        isinstance(said, dict)
        and isinstance(said.get("name"), str)
        and isinstance(shape := said.get("shape"), list)
        and len(shape) <= MOST_NAMES
        and all(type(each) is int and 0 <= each < LARGEST_NUMBER for each in shape)
    )


def _is_split(said: Mapping[str, Any]) -> bool:
    return isinstance(said.get("columns"), list) and isinstance(said.get("data"), list)


def _split(said: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    names = [str(each) for each in said["columns"][:MOST_NAMES]]
    for row in said["data"][:MOST_ROWS]:
        if isinstance(row, list):
            for name, value in zip(names, row, strict=False):
                yield from _named(value, name)


def _flat(values: list[Any], most: int = MOST_NAMES) -> list[Any]:
    """The first values of nested lists, in order."""
    if list not in set(map(type, values)):
        return values[:most]
    found: list[Any] = []
    waiting = [iter(values)]
    while waiting and len(found) < most:
        value = next(waiting[-1], waiting)
        if value is waiting:
            waiting.pop()
        elif isinstance(value, list):
            waiting.append(iter(value))
        else:
            found.append(value)
    return found


def _first(items: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    for number, item in enumerate(items):
        if number >= MOST_NAMES:
            return
        yield item


def _value(value: Any) -> Value:
    """As the database takes it: numbers stay numbers where it can count so far."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < LARGEST_NUMBER else _text(str(value))
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return _text(value if isinstance(value, str) else json.dumps(value))


def _text(value: str) -> str:
    if len(value) <= MOST_CHARACTERS and value.isascii() and "\0" not in value:
        return value
    return storable(value[:MOST_CHARACTERS])
