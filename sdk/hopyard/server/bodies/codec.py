"""JSON bodies to Python values and back, as forgiving as Python clients need. Pure functions."""

import json
import re
from collections import deque
from collections.abc import Callable, KeysView, Mapping, ValuesView
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Any

import orjson

from hopyard.server.replies import Problem

_PLAIN = orjson.OPT_SERIALIZE_NUMPY
_FORGIVING = _PLAIN | orjson.OPT_NON_STR_KEYS
_MAX_DEPTH = 200
_UNDATED = frozenset({int, float, str, bool, list, type(None)})
_GZIP = b"\x1f\x8b"
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]").search


class BadBody(Problem):
    """The request's body cannot be predicted; the message tells its author why."""

    def __init__(self, sentence: str) -> None:
        super().__init__(400, sentence, "BadBody")


class Unserialisable(TypeError):
    """The answer cannot be written as JSON; the message says what and where."""


def decode(body: bytes) -> list[Any]:
    """Return the rows of a V1 body: the list under `instances` or `inputs`. Raises BadBody."""
    return rows_in(parse(body))


def rows_in(document: Any) -> list[Any]:
    """Return the rows of a V1 body that was parsed. Raises BadBody."""
    if not isinstance(document, dict):
        raise BadBody(f'The body is {_kind(document)}; send an object such as {{"instances": [...]}}.')
    if "instances" in document:
        if "inputs" in document:
            raise BadBody("The body has both instances and inputs; send one of them, for example instances.")
        key = "instances"
    elif "inputs" in document:
        key = "inputs"
    else:
        raise BadBody('The body has neither instances nor inputs; send {"instances": [...]}.')
    rows = document[key]
    if not isinstance(rows, list):
        raise BadBody(f"The value of {key} is {_kind(rows)}; send a list with one item per row.")
    return rows


def encode(predictions: Any) -> bytes:
    """Return `{"predictions": ...}`. Raises Unserialisable."""
    first = predictions[0] if type(predictions) is list and predictions else predictions
    if type(first) not in _UNDATED and _is_dated(predictions):
        predictions = dated(predictions)
    try:
        return orjson.dumps({"predictions": predictions}, default=_default, option=_PLAIN)
    except TypeError:
        return b'{"predictions":%b}' % dumps(predictions, place="predictions")


def dumps(value: Any, *, place: str = "the answer") -> bytes:
    """Return any value as JSON; arrays, frames, decimals and dates too. Raises Unserialisable, which says where
    in `place` the trouble is.
    """
    if _is_dated(value):
        value = dated(value)
    try:
        return orjson.dumps(value, default=_default, option=_PLAIN)
    except TypeError:
        pass
    try:
        return orjson.dumps(_with_plain_keys(value, set()), default=_default, option=_FORGIVING)
    except Exception as error:  # a value's own code may fail in any way
        where, culprit, problem = _locate(value, place, error, ())
        cause = _said(problem.__cause__ or problem)
        raise Unserialisable(
            f"{where} is a {_type_name(culprit)}, which JSON cannot hold ({cause})."
        ) from None


def dated(value: Any) -> Any:
    """Copy numpy's dates into Python's, and what is not a time into None: orjson would write that as a day of
    1677, or as no JSON at all.
    """
    if _is_date(value):
        return value.astype("M8[us]").tolist()
    if type(value) is dict:
        return {name: dated(each) for name, each in value.items()}
    return [dated(each) for each in value] if type(value) is list else value


def piece(value: Any) -> bytes:
    """Return one piece of a stream: bytes and text as they are, anything else as a line of JSON."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    return value.encode() if isinstance(value, str) else dumps(value, place="a piece of the stream") + b"\n"


def parse(body: bytes) -> Any:
    """Return the value of a JSON body; NaN and Infinity are read as Python clients write them. Raises BadBody."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if b"NaN" in body or b"Infinity" in body:
            return _parse_with_nan(body)
        if body.startswith(_GZIP):
            raise BadBody("The body is compressed; send it as it is, without Content-Encoding.") from None
        if not body.strip():
            raise BadBody('The body is empty; send {"instances": [...]}.') from None
        raise BadBody(
            f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from None


def _parse_with_nan(body: bytes) -> Any:
    """Python clients write NaN, which is not JSON; the standard library reads it, and lone surrogates too."""
    try:
        text = body.decode()
        document = json.loads(text)
        if _SURROGATE(text):
            json.dumps(document, ensure_ascii=False).encode()
        return document
    except json.JSONDecodeError as error:
        raise BadBody(
            f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from None
    except UnicodeEncodeError:
        raise BadBody("The body is not JSON: a string has a \\u escape of half a character.") from None
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise BadBody(f"The body is not JSON: {error}.") from None


def _default(value: Any) -> Any:
    """What orjson cannot write itself: arrays of any library, frames, decimals, sets, dates, models."""
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    for kinds, convert in _CONVERSIONS:
        if isinstance(value, kinds):
            return convert(value)
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return value.to_dict(orient="records")
    for method in ("tolist", "to_list", "model_dump"):
        by_itself = getattr(type(value), method, None)
        if callable(by_itself):
            return by_itself(value)
    raise TypeError(f"Type is not JSON serializable: {_type_name(value)}")


_CONVERSIONS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (Decimal, float),
    (date, lambda day: day.isoformat()),
    ((set, frozenset, range, deque, KeysView, ValuesView), list),
    (Mapping, dict),
)


def _is_dated(value: Any, depth: int = 3) -> bool:
    """Whether dates are in it, as far as the first item of every list tells."""
    if type(value) is list:
        return depth > 0 and bool(value) and _is_dated(value[0], depth - 1)
    if type(value) is dict:
        return depth > 0 and any(_is_dated(each, depth - 1) for each in value.values())
    return _is_date(value)


def _is_date(value: Any) -> bool:
    return type(value).__module__ == "numpy" and getattr(getattr(value, "dtype", None), "kind", "") == "M"


def _with_plain_keys(value: Any, around: set[int]) -> Any:
    """Copy dicts with numpy's numbers as keys into dicts with Python's. `around` has the ids on the way here."""
    if not isinstance(value, dict | list | tuple) or len(around) > _MAX_DEPTH:
        return value
    if id(value) in around:
        raise TypeError("it holds itself")
    around.add(id(value))
    copy: Any
    if isinstance(value, dict):
        copy = {_plain_key(key): _with_plain_keys(item, around) for key, item in value.items()}
    else:
        copy = [_with_plain_keys(item, around) for item in value]
    around.remove(id(value))
    return copy


def _plain_key(key: Any) -> Any:
    return key.item() if type(key).__module__ == "numpy" and hasattr(key, "item") else key


def _locate(value: Any, place: str, error: Exception, around: tuple[int, ...]) -> tuple[str, Any, Exception]:
    """Walk to the innermost value that orjson refuses; return its place, itself and why."""
    around = (*around, id(value))
    for name, item in _children(value) if len(around) <= _MAX_DEPTH else ():
        at = f"{place}[{_said(name, repr)}]"
        if id(item) in around:
            return at, item, TypeError("it holds itself")
        try:
            orjson.dumps(_with_plain_keys(item, set(around)), default=_default, option=_FORGIVING)
        except Exception as problem:
            return _locate(item, at, problem, around)
    return place, value, error


def _children(value: Any) -> list[tuple[Any, Any]]:
    with suppress(Exception):
        if isinstance(value, Mapping):
            return list(value.items())
        if isinstance(value, list | tuple):
            return list(enumerate(value))
    return []


def _said(value: Any, say: Callable[[Any], str] = str) -> str:
    try:
        return say(value)
    except Exception:
        return _type_name(value)


def _type_name(value: Any) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    return names.get(type(value), "a number")
