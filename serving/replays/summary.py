"""What a replay comes to: how many answers differ, and how long calls took then and now. No I/O."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True)
class Pair:
    """One call, then and now: its microseconds, and the largest change of a number in its answer."""

    old_us: int
    new_us: int
    differs: bool
    new_status: int
    largest_change: float | None


def of(pairs: Sequence[Pair]) -> dict[str, Any]:
    """{"calls", "differing", "failing", "largest_change", "old_us": {"p50", "p95", "p99"}, "new_us": {the same}}."""
    changes = [pair.largest_change for pair in pairs if pair.largest_change is not None]
    return {
        "calls": len(pairs),
        "differing": sum(pair.differs for pair in pairs),
        "failing": sum(pair.new_status >= 400 for pair in pairs),
        "largest_change": max(changes, default=None),
        "old_us": _percentiles([pair.old_us for pair in pairs]),
        "new_us": _percentiles([pair.new_us for pair in pairs]),
    }


def _percentiles(values: Sequence[int]) -> dict[str, int]:
    """By the nearest rank; empty of nothing."""
    ordered = sorted(values)
    if not ordered:
        return {}
    return {name: ordered[max(0, math.ceil(share * len(ordered)) - 1)] for name, share in SHARES.items()}
