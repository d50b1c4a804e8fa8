"""Digests in the place of bodies too large to be passed on; made in a thread, as hashing holds no lock of Python's."""

import asyncio
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from hopyard.server.inference_log.records import INPUTS, LARGEST_BODY, OUTPUTS, Body, Record

MAX_BYTES = 64 * 1024 * 1024


class Digests:
    """`done(record, size)` is called on the loop with each record made smaller, `refused()` for one too many."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        done: Callable[[Record, int], None],
        refused: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._done = done
        self._refused = refused
        self._bytes = 0
        self._making: set[asyncio.Future[Record]] = set()
        self._thread: ThreadPoolExecutor | None = None

    def __len__(self) -> int:
        return len(self._making)

    def make(self, record: Record, size: int) -> None:
        """Take a record with bodies of so many bytes."""
        if self._bytes >= MAX_BYTES:
            self._refused()
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "inference-log")
        self._bytes += size
        future = self._loop.run_in_executor(self._thread, _digested, record)
        self._making.add(future)
        future.add_done_callback(lambda future: self._made(future, size))

    async def settle(self, seconds: float) -> None:
        """Wait for those under way, and let go of the thread."""
        if self._making:
            await asyncio.wait(self._making, timeout=seconds)
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
            self._thread = None

    def _made(self, future: "asyncio.Future[Record]", size: int) -> None:
        self._making.discard(future)
        self._bytes -= size
        if not future.cancelled():
            record = future.result()
            self._done(record, _size(record[INPUTS]) + _size(record[OUTPUTS]))


def _digested(record: Record) -> Record:
    """The record with a digest in the place of each large body."""
    return (*record[:INPUTS], _passable(record[INPUTS]), _passable(record[OUTPUTS]), *record[OUTPUTS + 1 :])


def _passable(body: Body) -> Body:
    if isinstance(body, tuple) or body is None or len(body) <= LARGEST_BODY:
        return body
    return len(body), hashlib.sha256(body).hexdigest()


def _size(body: Body) -> int:
    return len(body) if isinstance(body, bytes) else 0
