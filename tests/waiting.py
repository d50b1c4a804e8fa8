"""Waits for a condition with a deadline, never for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(find: Callable[[], T], *, seconds: float = 30, what: str = "") -> T:
    """Return what `find` gives once it is true; fail with its last answer after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := find()):
        if time.monotonic() > deadline:
            raise AssertionError(
                f"{what or 'It'} did not come about within {seconds} s; last seen: {found!r}"
            )
        time.sleep(0.03)
    return found
