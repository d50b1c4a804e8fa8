"""Takes values out of a text that may quote them, such as the message of an error. Pure functions."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

MASK = "***"
SHORT = 4
"""Strings of fewer characters, and numbers, are taken out as words only."""


def without(text: str, values: Iterable[Any]) -> str:
    """The text with every string and number of these values masked, as it is, as Python and as JSON write it."""
    quoted = {form for value in values for leaf in _leaves(value) for form in _forms(leaf)}
    if not quoted:
        return text
    longest_first = sorted(quoted, key=lambda form: (-len(form[0]), form))
    return re.sub("|".join(_expression(*form) for form in longest_first), MASK, text)


def _leaves(value: Any) -> Iterator[Any]:
    """The names and values in a document."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _forms(leaf: Any) -> set[tuple[str, bool]]:
    """How a value may stand in a text, and whether as a word."""
    if isinstance(leaf, str) and leaf:
        forms = {leaf, repr(leaf)[1:-1], json.dumps(leaf)[1:-1], json.dumps(leaf, ensure_ascii=False)[1:-1]}
        return {(form, len(form) < SHORT) for form in forms}
    if isinstance(leaf, int | float) and not isinstance(leaf, bool):
        forms = {repr(leaf)} | ({str(int(leaf))} if float(leaf).is_integer() else set())
        return {(form, True) for form in forms}
    return set()


def _expression(text: str, is_word: bool) -> str:
    return rf"(?<!\w){re.escape(text)}(?!\w)" if is_word else re.escape(text)
