"""Names and values as they stand in a condition: words, numbers, and texts in quotes of either kind."""

import json
import math
import re

Value = int | float | str | bool | None

BIGGEST_WHOLE = 2**63
QUOTED = r"""(?:"(?:[^"\\]|\\[\s\S])*"|'(?:[^'\\]|\\[\s\S])*')"""
WORD = r"""(?:[^\s=<>!~"']|(?<=\w)'(?=\w))++"""  # the apostrophe of O'Brien is no quote
WORDS = rf"{WORD}(?:\s++{WORD})*+"
SIDES = ("in", "out")
JOINING = ("and", "or")

_QUOTED = re.compile(QUOTED)
_WORDS = re.compile(WORDS)
_OPENED = re.compile(r"(?<!\w)['\"]")
_ESCAPED = re.compile(r"\\[\s\S]|\"")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_PLAIN = re.compile(r"[\w.-]+")
_MEANINGS: dict[str, Value] = {"true": True, "false": False, "null": None}


class NotUnderstood(ValueError):
    """A sentence about what is wrong with the conditions."""


def name(written: str) -> str:
    """The name meant by WORDS or QUOTED; raises NotUnderstood. Blanks outside of quotes count as one."""
    if is_quoted(written):
        return text(written)
    words = written.split()
    if _are_joined(words):
        raise NotUnderstood(
            f"“{shown(written)}” is no name of a value. Join whole conditions, with and, such as "
            f'in.a > 5 and in.b < 3; a name of such words stands in quotes, such as in."this and that" = 1.'
        )
    return " ".join(words)


def value(written: str) -> Value:
    """The value meant by a WORD; raises NotUnderstood."""
    if written in _MEANINGS:
        return _MEANINGS[written]
    if not _NUMBER.fullmatch(written):
        return written
    if written.lstrip("+-").isdigit() and abs(int(written)) < BIGGEST_WHOLE:
        return int(written)
    number = float(written)
    if not math.isfinite(number):
        raise NotUnderstood(f"{shown(written)} is too large a number; put it in quotes to look for the text.")
    return number


def text(written: str) -> str:
    """The text meant by QUOTED, whose escapes are those of JSON and \\'; raises NotUnderstood."""
    inner = _ESCAPED.sub(lambda found: {"\\'": "'", '"': '\\"'}.get(found[0], found[0]), written[1:-1])
    try:
        meant = str(json.loads(f'"{inner}"', strict=False))
        meant.encode()
    except ValueError:
        raise NotUnderstood(
            f"{shown(written)} is no text in quotes; write \\\\ for a backslash in it."
        ) from None
    if "\0" in meant:
        raise NotUnderstood(f"{shown(written)} holds the character NUL, which no value has.")
    return meant


def is_quoted(written: str) -> bool:
    return written.startswith(("'", '"'))


def is_unclosed(rest: str) -> bool:
    """A quote begins that does not end."""
    return bool(_OPENED.search(_QUOTED.sub("", rest)))


def name_written(meant: str) -> str:
    """What `name` makes this name of."""
    words = meant.split()
    is_plain = _WORDS.fullmatch(meant) and meant == " ".join(words) and not _are_joined(words)
    return meant if is_plain and not meant.startswith(SIDES) else json.dumps(meant, ensure_ascii=False)


def value_written(meant: Value, *, is_compared: bool) -> str:
    """What `value` or `text` makes this value of; `is_compared` by more or less, where words stand in quotes."""
    if not isinstance(meant, str) or is_compared or not _PLAIN.fullmatch(meant):
        return json.dumps(meant, ensure_ascii=False)
    is_other = meant in _MEANINGS or meant.lower() == "and" or _NUMBER.fullmatch(meant)
    return json.dumps(meant, ensure_ascii=False) if is_other else meant


def shown(written: str) -> str:
    return written.strip()[:60]


def _are_joined(words: list[str]) -> bool:
    """They read as parts of conditions, not as one name."""
    lowered = [word.lower() for word in words]
    return len(words) > 1 and (lowered[0] == "not" or any(word in lowered for word in JOINING))
