"""Numbers as a few whole ones that an index finds ranges by: each number is in a bin, and that in larger ones.

A bin is a piece of the line of numbers: its width is 1/64 to 1/128 of the numbers in it. 32 neighbours make a larger
bin, and 32 of those the largest; a range is then covered by some tens of bins of all three widths, and one lookup
finds what may be in it. What is in the outermost of them may be outside of the range.
"""

import functools
import math
from collections.abc import Iterable, Mapping
from typing import Any

SHIFTS = (0, 5, 10)  # bits by which the number of a bin is shortened for the larger ones
STEPS = 128  # bins for a doubling
DOUBLINGS = 64  # from the smallest numbers that are told apart to 1, and from there to the largest
LAST = 2 * DOUBLINGS * STEPS
NAME = "bins"

Columns = Mapping[str, Iterable[Any]]


def beside(values: Mapping[str, Columns]) -> dict[str, Any]:
    """The values and their bins, as they are stored where an index can use them."""
    return {**values, NAME: of(values)}


def of(values: Mapping[str, Columns]) -> dict[str, dict[str, list[int]]]:
    """The bins, of every width, of the numbers among the values of a call, by side and name."""
    return {
        side: {name: found for name, column in columns.items() if (found := of_column(column))}
        for side, columns in values.items()
    }


def covering(operator: str, value: float) -> list[int]:
    """The bins that hold all numbers that are so (`>`, `>=`, `<`, `<=`) beside `value`, and few others."""
    place = _place(value)
    least, most = (place, LAST) if operator.startswith(">") else (-LAST, place)
    found: list[int] = []
    for level, shift in enumerate(SHIFTS[:-1]):
        width = SHIFTS[level + 1] - shift
        while least <= most and least % (1 << width):
            found.append(_named(level, least))
            least += 1
        while least <= most and (most + 1) % (1 << width):
            found.append(_named(level, most))
            most -= 1
        least, most = least >> width, most >> width
    return found + [_named(len(SHIFTS) - 1, each) for each in range(least, most + 1)]


def of_column(column: Iterable[Any]) -> list[int]:
    places = {_place(each) for each in column if type(each) is float or type(each) is int}
    if len(places) == 1:
        return [*_around(places.pop())]
    return sorted({each for place in places for each in _around(place)})


@functools.lru_cache(maxsize=4 * LAST)
def _around(place: int) -> tuple[int, ...]:
    """The bins of every width that a place is in."""
    return tuple(_named(level, place >> shift) for level, shift in enumerate(SHIFTS))


def _place(value: float) -> int:
    """The number of the narrowest bin; it grows with the value, from -LAST to LAST."""
    if not value:
        return 0
    part, doublings = math.frexp(abs(value))
    place = (doublings + DOUBLINGS) * STEPS + int((part - 0.5) * 2 * STEPS)
    place = min(max(place, 1), LAST)
    return place if value > 0 else -place


def _named(level: int, place: int) -> int:
    return place * len(SHIFTS) + level
