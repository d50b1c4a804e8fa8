"""Takes values out of a text that may quote them, such as the message of an error. Pure functions.

Without regular expressions: Python keeps those it made last, and these would be made of what nobody is to keep.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from hopyard.server.failures import writable

MASK = "***"
SHORT = 4
"""Strings of fewer characters, and numbers, are taken out as words only."""
CUTS = ("...", "\N{HORIZONTAL ELLIPSIS}")
"""What stands where a text was cut, beside pieces of what it quoted."""

Form = tuple[str, bool]
"""How a value may stand in a text, and whether as a word."""
Span = tuple[int, int]


def without(text: str, values: Iterable[Any], spans: Iterable[Span] = ()) -> str:
    """The text with every string and number of these values masked, as it is, as Python and as JSON write it; also
    what is left of one where the text was cut, and whatever stands at these spans.
    """
    forms = {form for value in values for leaf in _leaves(value) for form in _forms(leaf)}
    quoted = [span for form in forms for span in _found(text, *form)]
    pieces, end = [], 0
    for start, stop in _merged([*spans, *quoted, *_at_cuts(text, [form for form, _ in forms])]):
        pieces += [text[end:start], MASK]
        end = stop
    return "".join([*pieces, text[end:]])


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


def _forms(leaf: Any) -> set[Form]:
    if isinstance(leaf, str) and leaf:
        forms = {leaf, leaf.strip(), repr(leaf)[1:-1], repr(leaf.encode(errors="replace"))[2:-1]}
        forms |= {json.dumps(leaf)[1:-1], json.dumps(leaf, ensure_ascii=False)[1:-1]}
        forms |= {writable(form) for form in forms}
        return {(form, len(form) < SHORT) for form in forms if form}
    if isinstance(leaf, int | float) and not isinstance(leaf, bool):
        forms = {repr(leaf)} | ({str(int(leaf))} if float(leaf).is_integer() else set())
        return {(form, True) for form in forms}
    return set()


def _found(text: str, form: str, is_word: bool) -> Iterator[Span]:
    """Where a form stands in the text."""
    start = text.find(form)
    while start >= 0:
        stop = start + len(form)
        if not is_word or not (_is_word(text[start - 1 : start]) or _is_word(text[stop : stop + 1])):
            yield start, stop
        start = text.find(form, start + 1)


def _is_word(sign: str) -> bool:
    return sign.isalnum() or sign == "_"


def _at_cuts(text: str, forms: Sequence[str]) -> Iterator[Span]:
    """Where a form begins right before a cut, or ends right after one; a few characters count as words only."""
    for cut in CUTS:
        for start, stop in _found(text, cut, is_word=False):
            before, after = text[:start], text[stop:]
            for form in forms:
                length = _overlap(before, form)
                if length >= SHORT or (length and not _is_word(before[-length - 1 : -length])):
                    yield start - length, start
                length = _overlap(form, after)
                if length >= SHORT or (length and not _is_word(after[length : length + 1])):
                    yield stop, stop + length


def _overlap(left: str, right: str) -> int:
    """How many of the last characters of one text are the first of the other."""
    most = min(len(left), len(right))
    end, first = left[len(left) - most :], right[:1]
    start = end.find(first)
    while start >= 0:
        if right.startswith(end[start:]):
            return most - start
        start = end.find(first, start + 1)
    return 0


def _merged(spans: Iterable[Span]) -> list[Span]:
    """The same places without overlaps, in order."""
    merged: list[Span] = []
    for start, stop in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged
