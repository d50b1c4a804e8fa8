"""When a worker that ended is started again, and when there is no point in it any more."""

from collections import deque

WINDOW_SECONDS = 30.0
MOST_BEFORE_READY = 5
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0


class Deaths:
    """Those of all workers of a server. Times are in seconds of one clock, whichever."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque()
        self._before_ready: deque[float] = deque()

    def ready(self) -> None:
        """A worker became ready, so that starting one makes sense."""
        self._before_ready.clear()

    def pause(self, now: float, *, was_ready: bool) -> float | None:
        """How many seconds to wait before the worker that ended now is started again; None to give up."""
        if not was_ready:
            self._before_ready.append(now)
        self._recent.append(now)
        for times in (self._recent, self._before_ready):
            while times and times[0] < now - WINDOW_SECONDS:
                times.popleft()
        if len(self._before_ready) >= MOST_BEFORE_READY:
            return None
        doublings = len(self._recent) - 2
        if doublings < 0:  # the first in a while
            return 0.0
        return min(FIRST_PAUSE_SECONDS * 2.0**doublings, LONGEST_PAUSE_SECONDS)
