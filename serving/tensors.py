"""Rows as the tensors of an Open Inference Protocol request (V2), for bodies to begin with. Pure functions."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

NAME = "input-0"
# Every kind of value with its V2 datatype; bool is an int in Python and so comes first.
DATATYPES: tuple[tuple[tuple[type, ...], str], ...] = (
    ((bool,), "BOOL"),
    ((int,), "INT64"),
    ((int, float), "FP64"),
    ((str,), "BYTES"),
)


def request(rows: Sequence[Any]) -> dict[str, Any] | None:
    """`{"inputs": [tensor, …]}`: one tensor of rows that are lists or values, one for each column of rows that
    are objects; None where the rows are neither.
    """
    if rows and all(isinstance(row, Mapping) and row.keys() == rows[0].keys() for row in rows):
        tensors = [_tensor(str(name), [row[name] for row in rows]) for name in rows[0]]
    else:
        tensors = [_tensor(NAME, rows)]
    return None if None in tensors or not tensors else {"inputs": tensors}


def are_tensors(inputs: Any) -> bool:
    """Whether this is what stands under `inputs` in a V2 request."""
    return (
        isinstance(inputs, list)
        and bool(inputs)
        and all(isinstance(each, Mapping) and {"name", "shape", "datatype"} <= each.keys() for each in inputs)
    )


def rows(inputs: Sequence[Mapping[str, Any]]) -> list[Any] | None:
    """The rows of a request's only tensor; None of several, or where data and shape disagree."""
    if len(inputs) != 1:
        return None
    shape, data = inputs[0]["shape"], list(flat(inputs[0].get("data")))
    is_shape = isinstance(shape, list) and bool(shape) and all(isinstance(each, int) for each in shape)
    return _cut(data, shape) if is_shape and len(data) == math.prod(shape) else None


def _tensor(name: str, rows: Sequence[Any]) -> dict[str, Any] | None:
    shape = _shape(rows)
    data = list(flat(rows))
    datatype = next((word for kinds, word in DATATYPES if data and all(type(x) in kinds for x in data)), None)
    if shape is None or datatype is None:
        return None
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def _shape(value: Any) -> list[int] | None:
    """None for lists of different lengths."""
    if not isinstance(value, list):
        return []
    inner = [_shape(each) for each in value]
    if not inner or None in inner or any(shape != inner[0] for shape in inner):
        return None
    return [len(value), *(inner[0] or [])]


def flat(value: Any) -> Iterator[Any]:
    """The values of lists within lists, in order."""
    if not isinstance(value, list):
        yield value
        return
    for each in value:
        yield from flat(each)


def _cut(data: list[Any], shape: Sequence[int]) -> list[Any]:
    for size in reversed(shape[1:]):
        data = [data[start : start + size] for start in range(0, len(data), size)] if size else []
    return data
