"""The predictors of a transformer in a process of its own: which there are, the least busy one, and the next if it
fails. For one event loop.
"""

import asyncio
import itertools
import logging

from hopyard.server.keys import Keys
from hopyard.server.replies import Problem
from hopyard.server.transformers.connections import Answered, Connection, Lost
from hopyard.server.transformers.sources import Source

CONNECT_SECONDS = 2.0
LOOK_SECONDS = 0.25
REST_SECONDS = 1.0
MOST_LOST = 2

log = logging.getLogger(__name__)


class Unreachable(Exception):
    """Nobody listens there, or takes the connection in time."""


class Predictor:
    """One address, with its idle connections; `busy` counts the requests it has not answered."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.busy = 0
        self.used = 0
        self.resting_until = 0.0
        self._is_listed = True
        self._idle: list[Connection] = []
        host, _, port = address.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)

    async def connection(self, *, fresh: bool) -> Connection:
        """Return an open connection, the one used last. Raises Unreachable."""
        if fresh:
            self._close_idle()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, connection = await loop.create_connection(
                    lambda: Connection(self._freed), self._host, self._port
                )
        except (OSError, TimeoutError) as error:
            raise Unreachable(str(error) or type(error).__name__) from None
        return connection

    def leave(self) -> None:
        """It is not listed any more; what it still answers is waited for."""
        self._is_listed = False
        self._close_idle()

    def _freed(self, connection: Connection) -> None:
        if not connection.is_open:
            return
        if self._is_listed:
            self._idle.append(connection)
        else:
            connection.close()

    def _close_idle(self) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


class Predictors:
    """Those that a source lists, which is looked at a few times a second, and only while somebody asks. `keys` have the
    token that predictors let us in by.
    """

    def __init__(self, source: Source, keys: Keys | None) -> None:
        self._source = source
        self._keys = keys
        self._known: dict[str, Predictor] = {}
        self._look_at = 0.0
        self._broken = ""
        self._turns = itertools.count(1)

    @property
    def token(self) -> bytes:
        """What lets this process in where callers need a key; empty where they need none."""
        return self._keys.internal if self._keys is not None else b""

    def trouble(self) -> str:
        """Why nothing can be predicted, in one sentence; empty if something can."""
        self._look()
        if self._known:
            return ""
        return self._broken or "No predictor is ready: the transformer is, and waits for the first one."

    async def ask(self, data: bytes) -> Answered:
        """Send a request to a predictor and return its answer.

        One that cannot be reached, or ends before it answered, is followed by another. A request that predictors
        ended over is not tried on all of them: it may be the cause. Raises Problem 502 or 503.
        """
        tried: set[Predictor] = set()
        lost = 0
        while lost < MOST_LOST:
            predictor = self._choose(tried)
            predictor.used = next(self._turns)
            predictor.busy += 1
            try:
                return await self._ask_one(predictor, data)
            except Unreachable as error:
                log.warning("The predictor at %s cannot be reached: %s", predictor.address, error)
            except Lost:
                log.warning("The predictor at %s ended before it answered", predictor.address)
                lost += 1
            finally:
                predictor.busy -= 1
            tried.add(predictor)
            predictor.resting_until = asyncio.get_running_loop().time() + REST_SECONDS
        sentence = f"{lost} predictors ended before they answered this request; their logs have the cause."
        raise Problem(502, sentence, "PredictorLost", grpc="UNAVAILABLE")

    async def _ask_one(self, predictor: Predictor, data: bytes) -> Answered:
        """An idle connection may have been closed at the other end by the time it is used; a new one tells."""
        connection = await predictor.connection(fresh=False)
        try:
            return await connection.ask(data)
        except Lost:
            if connection.is_fresh:
                raise
        return await (await predictor.connection(fresh=True)).ask(data)

    def _choose(self, tried: set[Predictor]) -> Predictor:
        self._look()
        left = [each for each in self._known.values() if each not in tried]
        if not left:
            sentence = self.trouble() or "None of the predictors can be reached."
            raise Problem(503, f"{sentence} Try again soon.", "NotReady")
        now = asyncio.get_running_loop().time()
        return min(left, key=lambda each: (each.resting_until > now, each.busy, each.used))

    def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_SECONDS
        if self._keys is not None:
            self._keys.refresh()
        try:
            found = self._source.look()
        except (OSError, ValueError) as error:
            self._complain(str(error))
            return
        self._broken = ""
        if found is not None:
            self._take(found)

    def _take(self, addresses: list[str]) -> None:
        before = self._known
        self._known = {address: before.get(address) or Predictor(address) for address in addresses}
        for address, predictor in before.items():
            if address not in self._known:
                predictor.leave()
        log.info("Predictors: %s", ", ".join(self._known) or "none")

    def _complain(self, problem: str) -> None:
        """Those that were read before stay in use."""
        if problem != self._broken:
            log.error("%s", problem)
        self._broken = problem
