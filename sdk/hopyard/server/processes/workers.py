"""Several workers, kept at their number: started, watched, replaced, and given connections."""

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

from hopyard.server.answering import Told
from hopyard.server.failures import Failure
from hopyard.server.processes.deaths import Deaths
from hopyard.server.processes.links import Link, Message
from hopyard.server.processes.members import Member, Together
from hopyard.server.processes.passing import Giving, Passed, channel
from hopyard.server.processes.starting import Spawning, Starter, Unforkable

FORKED_READY_SECONDS = 30.0

log = logging.getLogger(__name__)


class Workers:
    """`changed` is called when the first worker has become ready, and when none is any more; connections that come
    while none is go to `otherwise`.
    """

    def __init__(
        self,
        count: int,
        *,
        starter: Starter,
        fallback: Spawning,
        changed: Callable[[], None],
        otherwise: Callable[[Passed], None],
        forked_ready_seconds: float = FORKED_READY_SECONDS,
    ) -> None:
        self.models: list[Told] = []
        self.reason = ""
        self._count = count
        self._starter = starter
        self._fallback = fallback
        self._changed = changed
        self._otherwise = otherwise
        self._patience = forked_ready_seconds
        self._deaths = Deaths()
        self._members: dict[int, Member] = {}
        self._turns: deque[Member] = deque()
        self._held: deque[Passed] = deque()
        self._together = Together()
        self._is_stopping = False
        self._keeping: list[asyncio.Task[None]] = []

    @property
    def are_ready(self) -> bool:
        """Whether any worker takes connections."""
        return bool(self._turns)

    async def run(self) -> None:
        """Keep the workers until cancelled. Raises Failure when that makes no sense any more."""
        self._keeping = [asyncio.ensure_future(self._keep(number)) for number in range(self._count)]
        try:
            await asyncio.gather(*self._keeping)
        finally:
            for task in self._keeping:
                task.cancel()
            await asyncio.gather(*self._keeping, return_exceptions=True)

    async def leave(self, seconds: float) -> None:
        """Have all workers be ready no more; return once they have little left to answer, or after that long. They are
        still given connections.
        """
        asked = [asyncio.ensure_future(member.link.ask("leave")) for member in self._members.values()]
        if asked:
            await asyncio.wait(asked, timeout=seconds)
        for each in asked:
            each.cancel()
        await asyncio.gather(*asked, return_exceptions=True)

    async def stop(self, seconds: float) -> None:
        """Let all workers, which are not kept any more, answer what they have and end; kill them after that long."""
        self._is_stopping = True
        members = list(self._members.values())
        for member in members:
            member.link.tell("stop")
        endings = [asyncio.ensure_future(member.process.ended()) for member in members]
        if endings:
            await asyncio.wait(endings, timeout=seconds)
        for member, ending in zip(members, endings, strict=True):
            if not ending.done():
                log.warning("Worker %d has not ended in time and is killed", member.number)
                member.process.kill()
            self._forget(member)
        if endings:
            await asyncio.wait(endings)

    def give(self, passed: Passed) -> None:
        """Pass a connection to the worker that has fewest waiting, or hold it until one has room."""
        if not self._turns:
            self._otherwise(passed)
            return
        for member in sorted(self._turns, key=lambda member: member.giving.waiting):
            if member.giving.give(passed):
                self._turns.remove(member)
                self._turns.append(member)
                return
        self._held.append(passed)

    # One worker after the other

    async def _keep(self, number: int) -> None:
        while True:
            member = await self._launch(number)
            how = await self._attend(member)
            self._forget(member)
            if member.is_leaving:
                continue  # it was asked to, and another takes its place
            if member.forked and not member.was_ready:
                self._give_up_forking(f"worker {number} was not ready although the script was loaded: {how}")
                continue
            await self._mourn(member, how)

    async def _launch(self, number: int) -> Member:
        link, their_link = socket.socketpair()
        connections, their_connections = channel()
        link.setblocking(False)
        with their_link, their_connections:
            try:
                forked = self._starter.forks
                process = await self._starter.start(number, their_link, their_connections)
            except Unforkable as reason:
                self._give_up_forking(str(reason))
                forked = False
                process = await self._fallback.start(number, their_link, their_connections)
        member = self._members[number] = Member(number, process, forked=forked)
        member.giving = Giving(connections, self._retry)
        member.link = Link(link, lambda message: self._told(member, message))
        await member.link.open()
        return member

    async def _attend(self, member: Member) -> str:
        """Wait for a worker's end, and say how it came about. Raises its Failure if no worker was ever ready."""
        ending = asyncio.ensure_future(member.process.ended())
        patience = self._patience if member.forked else None
        awaited: set[asyncio.Future[Any]] = {ending, member.reported}
        await asyncio.wait(awaited, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        if not ending.done() and not member.reported.done():
            member.process.kill()
            await ending
            return f"nothing was heard of it for {patience:g} s"
        if member.reported.done():
            await self._admit(member, member.reported.result())
        how = await ending
        if member.failure is None:
            return f"it ended {how}"
        if not self.models and not member.forked:
            raise member.failure
        return str(member.failure)

    async def _admit(self, member: Member, models: list[Told]) -> None:
        """Bring a worker to where the others are, and let it have connections."""
        async with self._together.catching_up(member):
            if member.is_leaving or member.link.lost.is_set():
                return
            member.takes = member.was_ready = True
            self._turns.appendleft(member)
        self._deaths.ready()
        if self._count > 1:
            log.info("Worker %d is ready", member.number)
        is_first = len(self._turns) == 1
        self.models = models
        self._retry()
        if is_first:
            self._changed()

    async def _mourn(self, member: Member, how: str) -> None:
        self.reason = f"Worker {member.number} is not there: {how}"
        now = asyncio.get_running_loop().time()
        pause = self._deaths.pause(now, was_ready=member.was_ready)
        if pause is None:
            sentence = f"Workers end again and again before they are ready; of the last one: {how}."
            raise member.failure or Failure("Crashed", sentence)
        log.error("Worker %d is started again in %.1f s: %s", member.number, pause, how)
        await asyncio.sleep(pause)

    def _give_up_forking(self, reason: str) -> None:
        if self._starter is not self._fallback:
            log.warning("Each worker loads the script itself from now on: %s", reason)
            self._starter = self._fallback

    def _forget(self, member: Member) -> None:
        self._retire(member)
        if self._members.get(member.number) is member:
            del self._members[member.number]
            self._together.remember(member)
        member.link.close()
        for passed in member.giving.close():
            self.give(passed)

    def _retire(self, member: Member) -> None:
        if not member.takes:
            return
        member.takes = False
        self._turns.remove(member)
        if not self._turns:
            self._retry()
            self._changed()

    def _retry(self) -> None:
        for _ in range(len(self._held)):
            self.give(self._held.popleft())

    # What workers say and ask

    def _ready(self) -> list[Member]:
        return [member for member in self._members.values() if member.was_ready]

    async def _told(self, member: Member, message: Message) -> Any:
        what = message["what"]
        if what == "scrape":
            return await self._together.scrape(self._ready())
        if what == "change":
            return await self._together.change(self._ready, message["change"], message["name"])
        if what == "leaving":
            member.is_leaving = True
            if not self._is_stopping:  # otherwise the others leave as well, and it answers until it ends
                self._retire(member)
        elif what == "failed":
            member.failure = Failure(message["code"], message["reason"], message["evidence"])
        elif what == "ready" and not member.reported.done():
            member.reported.set_result([Told(**each) for each in message["models"]])
        return None
