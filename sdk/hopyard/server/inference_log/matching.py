"""Finds the matches of strangers' regular expressions in bounded work.

Most expressions cost the square of a text's length at worst, so that long texts are looked through in windows; what an
expression costs beyond that, such as `(a+)+b`, only a clock can bound. Python looks at signals while it matches, and so
an alarm ends it.
"""

import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

WINDOW = 8 * 1024
LONGEST_MATCH = 1024


class TookTooLong(Exception):
    """The time was up before everything was done."""


def matches(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    """Where matches that are not empty begin and end, in order. In a text of more than WINDOW characters only those
    up to LONGEST_MATCH are sure to be found whole.
    """
    begin, length = 0, len(text)
    while True:
        end = min(begin + WINDOW, length)
        last, again = begin, end - LONGEST_MATCH
        for match in pattern.finditer(text, begin, end):
            start, stop = match.span()
            if stop == end < length and start > begin:  # it may go on: the next window has all of it
                again = min(again, start)
                break
            if stop > start:
                yield start, stop
                last = stop
        if end == length:
            return
        begin = max(last, again)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raises TookTooLong where what is inside takes longer. Alarms come to the main thread; others are not hurried."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise TookTooLong

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
