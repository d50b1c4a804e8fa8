"""Conditions on the values of a call, as people write them: `in.sepal_length > 5 and out = setosa`."""

import re
from dataclasses import dataclass

from serving.records import literals
from serving.records.literals import QUOTED, SIDES, WORD, WORDS, NotUnderstood, Value, shown

MOST_CONDITIONS = 10
MOST_CHARACTERS = 2000
GRAMMAR = (
    "Write a condition as <name> <operator> <value>, and join several with and: "
    "in.sepal_length > 5 and out = setosa."
)

# No expression gives back the blanks it took: runs of them would be shared out in ever more ways.
_SIDE = r"(?P<side>in|out)(?=\s*+[.=<>!~])\s*+\.?"
_LEFT = re.compile(
    rf"\s*+(?:{_SIDE})?\s*+(?P<name>{QUOTED}|{WORDS})?\s*+(?P<operator>>=|<=|!=|==|=|>|<|~)\s*+"
)
_VALUE = re.compile(rf"{QUOTED}|(?!and(?:\s|\Z)){WORD}", re.IGNORECASE)
_JOINED = re.compile(r"\s*+(?:(?P<and>and)(?:\s++|\Z)|\Z)", re.IGNORECASE)
_OR = re.compile(r"\s*+(?:or\b|\|\|)", re.IGNORECASE)


@dataclass(frozen=True)
class Condition:
    """One value of `name` among the inputs (`in`), the outputs (`out`) or both compares so with `value`.

    The name of an unnamed column is its number, that of an unnamed value empty. A number that was not written in
    quotes equals the same text too; texts, which are in quotes, are more or less than others by their characters.
    """

    sides: tuple[str, ...]
    name: str
    operator: str
    value: Value

    def __str__(self) -> str:
        side = self.sides[0] if len(self.sides) == 1 else ""
        name = literals.name_written(self.name)
        left = f"{side}.{name}" if side and self.name else side or name
        value = literals.value_written(self.value, is_compared=_is_compared(self.operator))
        return f"{left} {self.operator} {value}"


def parse(text: str) -> tuple[Condition, ...]:
    """The conditions in `text`, joined by `and`; raises NotUnderstood."""
    if len(text) > MOST_CHARACTERS:
        raise NotUnderstood(f"Conditions may have {MOST_CHARACTERS} characters; these have {len(text)}.")
    found: list[Condition] = []
    at, is_more = 0, bool(text.strip())
    while is_more:
        condition, end = _one(text, at)
        found.append(condition)
        at, is_more = _next(text, at, end)
    if len(found) > MOST_CONDITIONS:
        raise NotUnderstood(f"There may be {MOST_CONDITIONS} conditions; these are {len(found)}.")
    return tuple(found)


def _one(text: str, at: int) -> tuple[Condition, int]:
    """The condition that begins at `at`, and where it ends."""
    left = _LEFT.match(text, at)
    if left is None:
        _refuse_unclosed(text[at:])
        raise NotUnderstood(f"“{shown(text[at:])}” is no condition. {GRAMMAR}")
    name = literals.name(left["name"] or "")
    if not name and not left["side"]:
        raise NotUnderstood(f"“{shown(text[at:])}” names no value. {GRAMMAR}")
    written = _value_at(text, at, left.end())
    operator = "=" if left["operator"] == "==" else left["operator"]
    sides = (left["side"],) if left["side"] else SIDES
    return Condition(sides, name, operator, _value(operator, written)), left.end() + len(written)


def _value_at(text: str, at: int, begin: int) -> str:
    """What stands at `begin`, as it is written, in the condition that begins at `at`."""
    if found := _VALUE.match(text, begin):
        return found[0]
    rest = text[begin:]
    _refuse_unclosed(rest)
    if not rest or rest[:3].lower() == "and":
        raise NotUnderstood(f"There is no value after “{shown(text[at:begin])}”. {GRAMMAR}")
    raise _cannot_stand(rest, after=text[at:begin])


def _value(operator: str, written: str) -> Value:
    if literals.is_quoted(written):
        return literals.text(written)
    if operator == "~":
        return written
    value = literals.value(written)
    if not _is_compared(operator) or type(value) in {int, float}:
        return value
    if isinstance(value, str):
        raise NotUnderstood(
            f"“{shown(value)}” is no number. Write a number after {operator}, or in quotes a text to compare texts "
            f'with, such as out {operator} "m".'
        )
    raise NotUnderstood(f"{written} is neither more nor less than anything; compare it with = or !=.")


def _next(text: str, at: int, end: int) -> tuple[int, bool]:
    """Where the condition after the one from `at` to `end` begins, and whether there is one."""
    joined = _JOINED.match(text, end)
    if joined is None:
        rest = text[end:]
        _refuse_unclosed(rest)
        if _OR.match(rest):
            raise NotUnderstood(
                f"Conditions cannot be joined as in “{shown(rest)}”: all of them must hold. Join them with and, or ask "
                'for each by itself; a text of several words stands in quotes, such as out = "this or that".'
            )
        raise _cannot_stand(rest, after=text[at:end])
    if joined["and"] and joined.end() == len(text):
        raise NotUnderstood(f"There is no condition after “{shown(text[at:])}”. {GRAMMAR}")
    return joined.end(), bool(joined["and"])


def _refuse_unclosed(rest: str) -> None:
    if literals.is_unclosed(rest):
        raise NotUnderstood(
            f"A quote in “{shown(rest)}” is not closed. Close it; a quote within a text is written with a backslash "
            "before it."
        )


def _cannot_stand(rest: str, *, after: str) -> NotUnderstood:
    return NotUnderstood(
        f"“{shown(rest)}” cannot stand after “{shown(after)}”. Join conditions with and; a text with blanks, quotes "
        'or any of = < > ! ~ stands in quotes, such as out = "two words".'
    )


def _is_compared(operator: str) -> bool:
    return operator[0] in "<>"
