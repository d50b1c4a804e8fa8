"""Says whether two answers to the same call are the same, and if not, in words, where they differ. No I/O."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

PREDICTIONS = ("predictions", "outputs", "explanations")
OF_THE_CALL = frozenset(
    {"id", "timestamp", "when", "model_name", "model_version", "model_endpoint_uid", "microsec"}
)
"""What an answer says of itself and of its call, which is another one each time."""
LONGEST_VALUE = 60
SHOWN = 3


@dataclass(frozen=True)
class Answer:
    status: int
    body: str


@dataclass(frozen=True)
class Comparison:
    """`largest_change` is that of the numbers that differ, None if none do."""

    differs: bool
    sentence: str = ""
    largest_change: float | None = None


@dataclass(frozen=True)
class _Difference:
    path: str
    old: Any
    new: Any
    change: float | None = None

    def __str__(self) -> str:
        if self.path == "":
            return f"{_shown(self.old)}, now {_shown(self.new)}"
        return f"{self.path}: {_shown(self.old)}, now {_shown(self.new)}"


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


MISSING = _Missing()


def compare(old: Answer, new: Answer, *, tolerance: float) -> Comparison:
    """Numbers are the same if they differ by at most `tolerance`, absolutely or relative to the larger one."""
    if old.status != new.status:
        return Comparison(True, f"Answered {old.status}, now {new.status}{_why(new)}.")
    if old.status >= 400:
        return Comparison(False)  # an error is kept as a sentence, without the body it came in
    try:
        documents = json.loads(old.body), json.loads(new.body)
    except (ValueError, RecursionError):
        is_same = old.body == new.body
        return Comparison(not is_same, "" if is_same else "The answers are other texts.")
    found = list(_differences(*map(_predictions, documents), path="", tolerance=tolerance))
    if not found:
        return Comparison(False)
    changes = [each.change for each in found if each.change is not None]
    return Comparison(True, _sentence(found), max(changes, default=None))


def _predictions(document: Any) -> Any:
    """What was predicted, without what an answer says of itself."""
    if not isinstance(document, dict):
        return document
    for name in PREDICTIONS:
        if name in document:
            return document[name]
    return {name: value for name, value in document.items() if name not in OF_THE_CALL}


def _differences(old: Any, new: Any, *, path: str, tolerance: float) -> Iterator[_Difference]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys([*old, *new]):
            place = f"{path}.{name}" if path else str(name)
            pair = old.get(name, MISSING), new.get(name, MISSING)
            yield from _differences(*pair, path=place, tolerance=tolerance)
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            yield _Difference(f"length of {path or 'the answer'}", len(old), len(new))
        for number, pair in enumerate(zip(old, new, strict=False)):
            yield from _differences(*pair, path=f"{path}[{number}]", tolerance=tolerance)
    elif _is_number(old) and _is_number(new):
        if not _is_close(old, new, tolerance):
            yield _Difference(path, old, new, _change(old, new))
    elif type(old) is not type(new) or old != new:
        yield _Difference(path, old, new)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_close(old: float, new: float, tolerance: float) -> bool:
    if math.isnan(old) or math.isnan(new):
        return math.isnan(old) and math.isnan(new)
    try:
        return math.isclose(old, new, rel_tol=tolerance, abs_tol=tolerance)
    except OverflowError:  # a whole number that is no float
        return old == new


def _change(old: float, new: float) -> float | None:
    try:
        change = abs(float(new) - float(old))
    except OverflowError:
        return None
    return change if math.isfinite(change) else None


def _sentence(found: list[_Difference]) -> str:
    shown = "; ".join(str(each) for each in found[:SHOWN])
    more = len(found) - SHOWN
    return f"{shown}; and {more} more" if more > 0 else shown


def _shown(value: Any) -> str:
    text = repr(value) if value is MISSING else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def _why(new: Answer) -> str:
    """What an error's body says."""
    if new.status < 400:
        return ""
    try:
        said = json.loads(new.body)["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return f": {str(said)[:200].rstrip('.')}"
