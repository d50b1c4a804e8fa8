"""Changes a document at every place that rules of redaction mean, and remembers what was there.

Beside objects and lists it knows layouts that keep names apart from values: tensors of V2, {"name", "data"}, and
tables, {"columns", "data"} of pandas or {"headers", "values"} of MLRun.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import orjson

from hopyard.server.inference_log.matching import matches
from hopyard.server.inference_log.rules import ANY, Rule

MASK = "***"
HASH_DIGITS = 16
_TABLES = (("columns", "data"), ("headers", "values"))

Way = tuple[str, tuple[str, ...]]
"""An action, and the rest of the path to where it is due."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """Rules as a walk needs them; of two for the same place the first counts."""

    names: Mapping[str, str]
    top: tuple[Way, ...]
    patterns: tuple[tuple[re.Pattern[str], str], ...]
    salt: bytes

    @classmethod
    def of(cls, rules: Sequence[Rule], salt: bytes) -> "Sorted":
        return cls(
            {rule.name: rule.action for rule in reversed(rules) if rule.name},
            tuple((rule.action, rule.path) for rule in rules if rule.path),
            tuple((rule.pattern, rule.action) for rule in rules if rule.pattern),
            salt,
        )


class Walk:
    """One pass over documents of one direction. `gone` are the values that are there no longer, for those who look
    for them elsewhere.
    """

    def __init__(self, rules: Sorted) -> None:
        self.gone: list[Any] = []
        self._salt = rules.salt
        self._names = rules.names
        self._top = rules.top
        self._patterns = rules.patterns

    def document(self, value: Any) -> Any:
        """A changed copy of a whole body; the value itself stays as it is."""
        return self._changed(value, self._top)

    def text(self, text: str) -> str:
        """A text in which the patterns' matches are changed."""
        for pattern, action in self._patterns:
            pieces, end = [], 0
            for start, stop in matches(pattern, text):
                self.gone.append(text[start:stop])
                new = "" if action == "remove" else self._instead(text[start:stop], action)
                pieces += [text[end:start], new]
                end = stop
            text = "".join([*pieces, text[end:]])
        return text

    def _changed(self, value: Any, ways: tuple[Way, ...]) -> Any:
        kind = type(value)
        if kind is dict:
            return self._object(value, ways)
        if kind is list:
            return self._list(value, ways)
        if not self._patterns:
            return value
        if kind is str:
            return self.text(value)
        return self._number(value) if kind is int or kind is float else value

    def _object(self, value: dict[str, Any], ways: tuple[Way, ...]) -> dict[str, Any]:
        name = value.get("name") if "data" in value else None
        of_tensor = self._due(name, ways) if isinstance(name, str) else None
        if isinstance(name, str):
            ways += _below(ways, name)
        table = _table(value)
        copy = {}
        for key, item in value.items():
            action = self._due(key, ways) or (of_tensor if key == "data" else None)
            if action == "remove":
                self.gone.append(item)
                continue
            below = _below(ways, key)
            if key == "data" and "specversion" in value:  # a CloudEvent's envelope: the body is what is in it
                below += self._top
            if action:
                changed = self._replaced(item, action)
            elif table and key == table[0] and type(item) is list:
                changed = self._list(item, below, of_rows=self._columns(table[1], ways))
            else:
                changed = self._changed(item, below)
            copy[self.text(key) if self._patterns else key] = changed
        return copy

    def _list(
        self,
        values: list[Any],
        ways: tuple[Way, ...],
        *,
        columns: Mapping[int, str] = MappingProxyType({}),
        of_rows: Mapping[int, str] = MappingProxyType({}),
    ) -> list[Any]:
        """Names pass through a list to each of its items; what is removed of it leaves a null. `columns`: what is due
        at its places, if it is a row; `of_rows`: at those of its rows, if it is a table's.
        """
        through = tuple(way for way in ways if not _is_place(way[1][0]))
        placed = tuple(way for way in ways if _is_place(way[1][0]))
        copy = []
        for number, item in enumerate(values):
            action = columns.get(number) or (_first(placed, str(number)) if placed else None)
            below = (*through, *_below(placed, str(number))) if placed else through
            if action:
                copy.append(self._replaced(item, action))
            elif of_rows and type(item) is list:
                copy.append(self._list(item, below, columns=of_rows))
            else:
                copy.append(self._changed(item, below))
        return copy

    def _columns(self, names: list[Any], ways: tuple[Way, ...]) -> dict[int, str]:
        found = {number: self._due(str(name), ways) for number, name in enumerate(names)}
        return {number: action for number, action in found.items() if action}

    def _due(self, name: str, ways: tuple[Way, ...]) -> str | None:
        return self._names.get(name) or _first(ways, name)

    def _replaced(self, value: Any, action: str) -> Any:
        self.gone.append(value)
        return None if action == "remove" else self._instead(value, action)

    def _instead(self, value: Any, action: str) -> Any:
        """What stands for a value; a list keeps its length, an object is one value."""
        if isinstance(value, list):
            return [self._instead(each, action) for each in value]
        return MASK if action == "mask" else hashed(value, self._salt)

    def _number(self, value: float) -> Any:
        """A number is changed as a whole where a pattern matches it, a whole one also without its point. Of what is
        only behind the point any sixteen digits are as good as others: they are a measure's, and no card's.
        """
        text = repr(value)
        point = text.find(".")
        whole = str(int(value)) if isinstance(value, float) and value.is_integer() else None
        for pattern, action in self._patterns:
            match = pattern.search(text)
            if match is not None and 0 <= point < match.start():
                match = None
            if match is not None or (whole is not None and pattern.search(whole)):
                return self._replaced(value, action)
        return value


def hashed(value: Any, salt: bytes) -> str:
    """The first digits of the sha256 of the salt and a text, or the JSON of any other value."""
    raw = value.encode(errors="replace") if isinstance(value, str) else orjson.dumps(value)
    return hashlib.sha256(salt + raw).hexdigest()[:HASH_DIGITS]


def _table(value: dict[str, Any]) -> tuple[str, list[Any]] | None:
    """The key of the rows and the names of the columns, if this is a table."""
    for names, rows in _TABLES:
        if isinstance(value.get(names), list) and rows in value:
            return rows, value[names]
    return None


def _below(ways: tuple[Way, ...], key: str) -> tuple[Way, ...]:
    return tuple((action, path[1:]) for action, path in ways if len(path) > 1 and path[0] in (ANY, key))


def _first(ways: tuple[Way, ...], key: str) -> str | None:
    """What is due at a key where paths end."""
    return next((action for action, path in ways if len(path) == 1 and path[0] in (ANY, key)), None)


def _is_place(part: str) -> bool:
    return part == ANY or part.isdecimal()
