"""Answers of an engine that hold for some seconds, remembered by this process."""

import time
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """What was found for a key not longer than `seconds` ago."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._found: dict[Hashable, tuple[float, T]] = {}

    def get(self, key: Hashable) -> T | None:
        until, found = self._found.get(key, (0.0, None))
        return found if time.monotonic() < until else None

    def put(self, key: Hashable, found: T) -> T:
        now = time.monotonic()
        self._found = {each: kept for each, kept in self._found.items() if kept[0] > now}
        self._found[key] = (now + self._seconds, found)
        return found

    def forget(self) -> None:
        self._found = {}
