"""One worker seen from the supervisor, and what all of them are asked together.

The worker that is asked for metrics, or to load or unload a model, asks here, and here all are asked.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from hopyard.server import metrics
from hopyard.server.answering import Told
from hopyard.server.failures import Failure
from hopyard.server.processes.links import Link, LinkLost
from hopyard.server.processes.passing import Giving
from hopyard.server.processes.starting import Process
from hopyard.server.replies import Problem

SNAPSHOT_SECONDS = 1.0
KEPT_SNAPSHOTS = 64

log = logging.getLogger(__name__)


class Member:
    """One worker, seen from here."""

    def __init__(self, number: int, process: Process, *, forked: bool) -> None:
        self.number = number
        self.process = process
        self.forked = forked
        self.link: Link
        self.giving: Giving
        self.reported: asyncio.Future[list[Told]] = asyncio.get_running_loop().create_future()
        self.takes = False
        self.was_ready = False
        self.is_leaving = False
        self.failure: Failure | None = None
        self.snapshot: Mapping[str, Any] | None = None


class Together:
    """Questions to all workers, and what the answers mean for those to come."""

    def __init__(self) -> None:
        self._gone: deque[Mapping[str, Any]] = deque(maxlen=KEPT_SNAPSHOTS)
        self._changing = asyncio.Lock()
        self._changes: dict[str, str] = {}

    async def change(self, ready: Callable[[], Sequence[Member]], change: str, name: str) -> None:
        """Load or unload a model everywhere. Raises the first Problem of a worker."""
        async with self._changing:
            problems = await asyncio.gather(*(_ask(member, change, name) for member in ready()))
            for problem in problems:
                if problem is not None:
                    raise problem
            self._changes[name] = change

    @asynccontextmanager
    async def catching_up(self, member: Member) -> AsyncIterator[None]:
        """Bring a new worker to where the others are; no model changes until the context is left."""
        async with self._changing:
            for name, change in self._changes.items():
                if change == "unload" or member.forked:
                    await _ask(member, change, name)
            yield

    async def scrape(self, members: Sequence[Member]) -> str:
        """The sum of all workers, and of those that were: a counter that falls would be taken for a restart."""
        await asyncio.gather(*map(_look_at, members))
        told = [member.snapshot for member in members if member.snapshot is not None]
        return metrics.render([*told, *self._gone]).decode()

    def remember(self, member: Member) -> None:
        """Keep what still counts of a worker that has ended."""
        if member.snapshot is not None:
            read = [each for each in member.snapshot["read"] if each[1] == "counter"]
            self._gone.append({**member.snapshot, "in_flight": 0, "read": read})


async def _ask(member: Member, change: str, name: str) -> Problem | None:
    try:
        await member.link.ask(change, name=name)
    except Problem as problem:
        return problem
    except LinkLost:
        log.info("Worker %d ended before it could %s %s", member.number, change, name)
    return None


async def _look_at(member: Member) -> None:
    try:
        member.snapshot = await asyncio.wait_for(member.link.ask("snapshot"), SNAPSHOT_SECONDS)
    except (TimeoutError, LinkLost, Problem) as error:
        log.warning("Worker %d does not tell its metrics: %r", member.number, error)
