"""V1 bodies straight into numpy arrays, for models that take arrays: large ones are never Python lists."""

from typing import Any

import simdjson

from hopyard.server.bodies import codec
from hopyard.server.bodies.tensors import numpy_module

LARGE_BYTES = 16 * 1024
QUOTES_OF_A_KEY = 2
MIN_ROW = 8  # numbers in the innermost lists, below which walking them costs more than it saves

BEYOND_INT64 = 2.0**63


def decode(request: Any) -> Any:
    """Return the array of a V1 body's rows, as `numpy.asarray` would make it, text as objects. Raises BadBody."""
    body = request.body
    if len(body) >= LARGE_BYTES:
        array = _straight(body)
        if array is not None:
            return array
    rows = codec.decode(body)
    try:
        return _as_array(rows, may_have_text=body.count(b'"') > QUOTES_OF_A_KEY)
    except ValueError:
        raise codec.BadBody(
            "The rows are not all of the same length; send rows that make an array."
        ) from None


def _as_array(rows: Any, *, may_have_text: bool) -> Any:
    """Text becomes an array of objects: numpy's own would make every element as long as the longest."""
    numpy = numpy_module()
    if may_have_text:
        array = numpy.asarray(rows, dtype=object)
        kinds = set(map(type, array.flat))
        if str in kinds and list not in kinds:
            return array
    return numpy.asarray(rows)


def _straight(body: bytes) -> Any:
    """Return the array without making lists; None where that is not possible, and the usual way says why."""
    try:
        document = simdjson.Parser().parse(body)
        if not isinstance(document, simdjson.Object):
            return None
        rows = [key for key in document if key in ("instances", "inputs")]
        if len(rows) != 1:
            return None
        values = document[rows[0]]
        if not isinstance(values, simdjson.Array):
            return None
        shape, leaf = _shape(values)
        if shape[-1] < MIN_ROW or not _is_regular(values, shape):
            return None
        return _numbers(values, leaf).reshape(shape)
    except (ValueError, TypeError, KeyError, IndexError, RuntimeError, OverflowError):
        return None


def _shape(values: Any) -> tuple[list[int], Any]:
    shape, each = [], values
    while isinstance(each, simdjson.Array):
        shape.append(len(each))
        each = each[0]
    return shape, each


def _is_regular(values: Any, shape: list[int]) -> bool:
    if len(values) != shape[0]:
        return False
    return len(shape) == 1 or all(_is_regular(each, shape[1:]) for each in values)


def _numbers(values: Any, leaf: Any) -> Any:
    numpy = numpy_module()
    if isinstance(leaf, int):
        try:
            return numpy.frombuffer(values.as_buffer(of_type="i"), "i8")
        except (ValueError, TypeError):
            pass  # not whole throughout
    numbers = numpy.frombuffer(values.as_buffer(of_type="d"), "f8")
    if len(numbers) and numbers.max() >= BEYOND_INT64:
        raise OverflowError("these may be unsigned")
    return numbers
