"""What became of a replica's inference records, as it says itself: how many were sent, spilled, dropped, and wait."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

NAMES = ("sent", "spilled", "dropped", "waiting")
LARGEST = 2**53
NOTED_EVERY = timedelta(seconds=10)


def read(said: Any) -> dict[str, int]:
    """The counts in the words of a replica, which is a stranger: what is none is left out."""
    if not isinstance(said, dict):
        return {}
    counts = {name: said.get(name) for name in NAMES}
    return {
        name: count
        for name, count in counts.items()
        if isinstance(count, int) and not isinstance(count, bool) and 0 <= count < LARGEST
    }


def noted(known: Mapping[str, int], said: Mapping[str, int], now: datetime) -> dict[str, int]:
    """What is to be known from now on: news, unless there were some just now. `at` is their time in epoch seconds."""
    is_news = bool(said) and said != {name: count for name, count in known.items() if name != "at"}
    if is_news and now.timestamp() - known.get("at", 0) >= NOTED_EVERY.total_seconds():
        return {**said, "at": round(now.timestamp())}
    return dict(known)
