"""Has a shipper run until the log is closed, and counts what shippers said."""

import asyncio
import logging
import signal
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hopyard.server.inference_log.link import Link
from hopyard.server.inference_log.shipping.intake import BAD_SETTINGS
from hopyard.server.inference_log.window import Window

LASTING = ("sent", "spilled", "dropped", "events_dropped")
"""Of what a shipper says; they count on after its end."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0  # before a shipper that ended is started again
HOPELESS_PAUSE = 300.0  # where another one will do no better
STEADY_SECONDS = 30.0
TRIES = 3  # for a batch that no shipper survives
LAST_WORDS_SECONDS = 0.5  # of the time for the end
LEAST_SECONDS = 0.2

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class End:
    """How a shipper ended; `was_up`: it had begun."""

    how: str
    was_up: bool = False
    is_hopeless: bool = False


class Keeping:
    """One shipper after the other, on the event loop; each is sent again what is in the window."""

    def __init__(self, settings: Mapping[str, Any], window: Window) -> None:
        self._settings = settings
        self._window = window
        self._loop = asyncio.get_running_loop()
        self._link: Link | None = None
        self._task: asyncio.Task[None] | None = None
        self._opened = asyncio.Event()
        self._closing = asyncio.Event()
        self._said: Counter[str] = Counter()
        self._before: Counter[str] = Counter()  # of shippers that have ended
        self._suspect, self._tries = 0, 0
        self._complained = ""

    def count(self, name: str) -> int:
        return self._before[name] + self._said[name]

    def start(self) -> None:
        self._task = self._loop.create_task(self._keep())

    def send(self, frame: bytes) -> None:
        """To the shipper, if there is one now; the next one gets it from the window."""
        if self._link is not None:
            self._link.send(frame)

    async def close(self, deadline: float) -> bool:
        """Let the shipper end, by then at the latest, and say whether one is still at it; where there is none just now,
        another one is started for what is left.
        """
        if self._task is None:
            return False
        self._closing.set()
        has_it = False
        with suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                await self._opened.wait()
                if self._link is not None:
                    left = deadline - self._loop.time() - LAST_WORDS_SECONDS
                    self._link.finish(max(LEAST_SECONDS, left))
                    has_it = True
                await self._task
                has_it = False  # it has said what became of everything
        self._task.cancel()
        return has_it

    async def _keep(self) -> None:
        pause = FIRST_PAUSE
        try:
            while True:
                began = self._loop.time()
                end = await self._ship()
                if self._closing.is_set():
                    return
                lived = self._loop.time() - began
                pause = FIRST_PAUSE if lived > STEADY_SECONDS else min(pause * 2, LONGEST_PAUSE)
                pause = HOPELESS_PAUSE if end.is_hopeless else pause
                self._complain(end, pause)
                self._suspect_one(end)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), pause)
                    if end.is_hopeless or not self._window.records:
                        return
        finally:
            self._opened.set()  # whoever waits for one need not any more

    async def _ship(self) -> End:
        """Start one shipper, and say how it ended."""
        link = Link(took=self._window.remove, told=self._tell)
        try:
            await link.open(self._settings)
        except (OSError, RuntimeError) as error:
            return End(f"before it was started: {error}")
        for frame in self._window.frames():
            link.send(frame)
        self._link = link
        self._opened.set()
        try:
            await link.ended.wait()
        finally:
            self._link = None
            self._opened.clear()
        status = await link.reap()
        for name in LASTING:
            self._before[name] += self._said[name]
        self._said.clear()
        how = f"by {signal.Signals(-status).name}" if status < 0 else f"with exit code {status}"
        return End(how, was_up=link.is_up, is_hopeless=status == BAD_SETTINGS)

    def _complain(self, end: End, pause: float) -> None:
        """Once, where it is always the same."""
        if end.was_up or end.how != self._complained:
            log.error(
                "The shipper of inference records ended %s; it is started again in %.1f s", end.how, pause
            )
        self._complained = "" if end.was_up else end.how

    def _suspect_one(self, end: End) -> None:
        """Drop the oldest batch if several shippers have ended over it; who never began has not read it."""
        if not end.was_up:
            return
        oldest = self._window.oldest
        self._tries = self._tries + 1 if oldest == self._suspect else 1
        self._suspect = oldest
        if oldest and self._tries >= TRIES:
            self._before["dropped"] += self._window.remove(oldest)

    def _tell(self, counts: Mapping[str, int]) -> None:
        self._said = Counter(counts)
