"""Bounds how many predictions a web process passes on at once."""

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator

from django.conf import settings


class Places:
    """How many requests this process passes on at once, in all and for one serving, so that a serving that does
    not answer leaves threads for the others, the pages and the API.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: Counter[int] = Counter()

    @contextlib.contextmanager
    def of(self, serving_id: int) -> Iterator[bool]:
        """Whether there is a place; it is given back when the block ends."""
        with self._lock:
            is_free = (
                self._taken[serving_id] < settings.INFERENCES_AT_ONCE // 2
                and self._taken.total() < settings.INFERENCES_AT_ONCE
            )
            self._taken[serving_id] += is_free
        try:
            yield is_free
        finally:
            with self._lock:
                self._taken[serving_id] -= is_free
