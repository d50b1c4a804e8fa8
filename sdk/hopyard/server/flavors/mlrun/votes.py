"""One prediction out of those of several models, by weight. Pure functions."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any


def each_output(
    vote: Callable[[list[Any], list[float]], Any], sample: list[Any], weights: list[float]
) -> Any:
    """Models with several outputs are voted on output by output."""
    if isinstance(sample[0], list | tuple):
        return [each_output(vote, list(column), weights) for column in zip(*sample, strict=True)]
    return vote(sample, weights)


def majority(sample: list[Any], weights: list[float]) -> Any:
    """The class of the greatest weight; of several, the lowest."""
    counts: dict[Any, float] = defaultdict(float)
    for value, weight in zip(sample, weights, strict=True):
        is_whole = isinstance(value, float) and value.is_integer()
        counts[int(value) if is_whole else value] += weight
    most = max(counts.values())
    return min((value for value, count in counts.items() if most - count < 1e-9), key=_order)


def _order(value: Any) -> tuple[bool, Any]:
    return isinstance(value, str), value


def mean(sample: list[Any], weights: list[float]) -> float:
    return float(sum(value * weight for value, weight in zip(sample, weights, strict=True)))


def are_classes(predictions: Any) -> bool:
    """Whether everything predicted is a class: whole numbers and strings."""
    if isinstance(predictions, list | tuple):
        return all(map(are_classes, predictions))
    return not isinstance(predictions, float) or predictions.is_integer()
