"""Conditions on the values of a call, as people write them: `in.sepal_length > 5 and out = setosa`."""

import json
import math
import re
from dataclasses import dataclass

MOST_CONDITIONS = 10
MOST_CHARACTERS = 2000
SIDES = ("in", "out")
BIGGEST_WHOLE = 2**63
GRAMMAR = "Write a condition as <name> <operator> <value>, such as in.sepal_length > 5 or out = setosa."

Value = int | float | str | bool | None

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_NAME = re.compile(
    rf"\s*(?:(?P<side>in|out)(?=\s*[.=<>!~])\s*\.?)?\s*(?P<name>{_QUOTED}|[^=<>!~\"]*?)\s*(?=[=<>!~])"
)
_OPERATOR = re.compile(r"(>=|<=|!=|==|=|>|<|~)\s*")
_VALUE = re.compile(rf"(?P<value>{_QUOTED}|.*?)\s*(?P<and>\s+and\s+|$)", re.IGNORECASE | re.DOTALL)
_BLANKS = re.compile(rf"({_QUOTED})|\s+")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_WORDS: dict[str, Value] = {"true": True, "false": False, "null": None}


@dataclass(frozen=True)
class Condition:
    """One value of `name` among the inputs (`in`), the outputs (`out`) or both compares so with `value`.

    The name of an unnamed column is its number, that of an unnamed value empty. A number that was not written in
    quotes equals the same text too.
    """

    sides: tuple[str, ...]
    name: str
    operator: str
    value: Value

    def __str__(self) -> str:
        side = self.sides[0] if len(self.sides) == 1 else ""
        name = _plain_name(self.name)
        left = f"{side}.{name}" if side and self.name else side or name
        return f"{left} {self.operator} {_written(self.value)}"


class NotUnderstood(ValueError):
    """A sentence about what is wrong with the conditions."""


def parse(text: str) -> tuple[Condition, ...]:
    """The conditions in `text`, joined by `and`; raises NotUnderstood."""
    if len(text) > MOST_CHARACTERS:
        raise NotUnderstood(f"Conditions may have {MOST_CHARACTERS} characters; these have {len(text)}.")
    text = _BLANKS.sub(
        lambda found: found[1] or " ", text
    )  # so that no expression has long runs to share out
    found: list[Condition] = []
    at, is_more = 0, bool(text.strip())
    while is_more:
        condition, at, is_more = _one(text, at)
        found.append(condition)
    if len(found) > MOST_CONDITIONS:
        raise NotUnderstood(f"There may be {MOST_CONDITIONS} conditions; these are {len(found)}.")
    return tuple(found)


def _one(text: str, at: int) -> tuple[Condition, int, bool]:
    """The condition that begins at `at`, where the next one begins, and whether there is one."""
    named = _NAME.match(text, at)
    operator = _OPERATOR.match(text, named.end()) if named else None
    if named is None or operator is None:
        raise NotUnderstood(f"“{_shown(text[at:])}” is no condition. {GRAMMAR}")
    said = _VALUE.match(text, operator.end())
    written = said["value"] if said else ""
    if said is None or not written:
        raise NotUnderstood(f"There is no value after “{_shown(text[at : operator.end()])}”. {GRAMMAR}")
    sides = (named["side"],) if named["side"] else SIDES
    name = _unquoted(named["name"])
    if not name and not named["side"]:
        raise NotUnderstood(f"“{_shown(text[at:])}” names no value. {GRAMMAR}")
    condition = _condition(sides, name, "=" if operator[1] == "==" else operator[1], written)
    return condition, said.end(), bool(said["and"])


def _condition(sides: tuple[str, ...], name: str, operator: str, written: str) -> Condition:
    is_quoted = written.startswith('"') and len(written) > 1
    value = _unquoted(written) if is_quoted or operator == "~" else _value(written)
    if operator not in {"=", "!="} and (value is None or isinstance(value, bool)):
        raise NotUnderstood(f"{written} is neither more nor less than anything; compare it with = or !=.")
    return Condition(sides, name, operator, value)


def _value(written: str) -> Value:
    if written in _WORDS:
        return _WORDS[written]
    if not _NUMBER.fullmatch(written):
        return written
    if written.lstrip("+-").isdigit() and abs(int(written)) < BIGGEST_WHOLE:
        return int(written)
    number = float(written)
    if not math.isfinite(number):
        raise NotUnderstood(
            f"{_shown(written)} is too large a number; put it in quotes to look for the text."
        )
    return number


def _unquoted(text: str) -> str:
    if not (text.startswith('"') and text.endswith('"') and len(text) > 1):
        return text
    try:
        found = str(json.loads(text, strict=False))
        found.encode()
    except ValueError:
        raise NotUnderstood(
            f"{_shown(text)} is no text in quotes; write \\\\ for a backslash in it."
        ) from None
    if "\0" in found:
        raise NotUnderstood(f"{_shown(text)} holds the character NUL, which no value has.")
    return found


def _plain_name(name: str) -> str:
    is_one_line = name == " ".join(name.split())  # blanks outside of quotes count as one
    is_plain = is_one_line and not re.search(r'[=<>!~"\\]', name) and not name.startswith(SIDES)
    return name if is_plain else json.dumps(name, ensure_ascii=False)


def _written(value: Value) -> str:
    is_plain = isinstance(value, str) and re.fullmatch(r"[\w.-]+", value) and _value(value) == value
    return str(value) if is_plain else json.dumps(value, ensure_ascii=False)


def _shown(text: str) -> str:
    return text.strip()[:60]
