"""The open connections, and the one timer that serves them all: slow clients, the clock, the Date header."""

import asyncio
import select
from collections.abc import Callable
from email.utils import formatdate
from time import time
from typing import Protocol

from hopyard.server.http.heads import Heads

TICK_SECONDS = 1.0
FOREVER = float("inf")


class Connection(Protocol):
    """What the sweep needs: when the peer must have acted, and whether anything is owed to it."""

    deadline: float

    @property
    def idle(self) -> bool: ...
    @property
    def is_new(self) -> bool:
        """Whether nothing has come from the peer yet."""

    @property
    def has_unread(self) -> bool:
        """Whether bytes have come that were not passed on yet."""

    def expire(self) -> None: ...
    def close(self) -> None: ...


class Connections:
    """`now` is a coarse clock in loop seconds, right to a second and free to read; `lines` are the headers that
    all answers of this second share, the date and the name of the replica.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, replica: str = "") -> None:
        self.now = loop.time()
        self.lines = b""
        self.plain_head = b""
        self.heads = Heads()
        self._replica = f"x-hopyard-replica: {replica}\r\n".encode() if replica else b""
        self.draining = False
        self._loop = loop
        self._open: set[Connection] = set()
        self._each_tick: list[Callable[[], None]] = []
        self._timer = loop.call_soon(self._tick)

    def __len__(self) -> int:
        return len(self._open)

    @property
    def busy(self) -> bool:
        return any(not connection.idle for connection in self._open)

    def add(self, connection: Connection) -> None:
        self._open.add(connection)

    def discard(self, connection: Connection) -> None:
        self._open.discard(connection)

    def each_tick(self, act: Callable[[], None]) -> None:
        """Have something cheap done with every tick."""
        self._each_tick.append(act)

    def close_idle(self, *, spare_newcomers: bool) -> None:
        """Close those whose peers are owed nothing and have sent nothing; what has come is about to be read. Closing
        on it would reset the connection, and its request would be lost.
        """
        for connection in [each for each in self._open if each.idle]:
            if not (spare_newcomers and connection.is_new) and not connection.has_unread:
                connection.close()

    def close_all_idle(self) -> None:
        for connection in [each for each in self._open if each.idle]:
            connection.close()

    def _tick(self) -> None:
        self._timer = self._loop.call_later(TICK_SECONDS, self._tick)
        self.now = self._loop.time()
        self.lines = b"date: %b\r\n%b" % (formatdate(time(), usegmt=True).encode(), self._replica)
        self.plain_head = (
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n%bx-request-id: " % self.lines
        )
        for connection in [each for each in self._open if each.deadline < self.now]:
            connection.expire()
        for act in self._each_tick:
            act()


def has_unread(transport: asyncio.Transport) -> bool:
    """Whether bytes, or the end, have come that the loop has not passed on yet."""
    descriptor = transport.get_extra_info("socket").fileno()
    if descriptor < 0:
        return False
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
