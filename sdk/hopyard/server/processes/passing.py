"""Connections handed from the process that listens to the workers that answer.

One process accepts and gives each connection to the worker that has taken the most of its earlier ones, in
turn where they are equal. A listening socket inherited by all workers would let whichever wakes first take a
whole burst; one socket per worker (SO_REUSEPORT) spreads by chance, and what waits in the queue of a worker
that dies is reset. Here a connection is kept until its worker says that it has it, and goes to another one if
that never comes, so that the death of a worker costs no connection that it has not begun to read.
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hopyard.server.listeners import Factory

MOST_WAITING = 128
TAKEN_AT_ONCE = 64
HTTP, GRPC = b"h", b"g"
_COUNT = struct.Struct("!I")


@dataclass(frozen=True, slots=True)
class Passed:
    """A connection, and the protocol of the port it came to."""

    connection: socket.socket
    kind: bytes


def channel() -> tuple[socket.socket, socket.socket]:
    """Two ends that keep messages apart, and carry descriptors."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs


class Giving:
    """The end of the process that listens. `taken` is called when the worker has room again."""

    def __init__(self, end: socket.socket, taken: Callable[[], None]) -> None:
        self._end = end
        self._taken = taken
        self._waiting: deque[Passed] = deque()
        asyncio.get_running_loop().add_reader(end, self._acknowledged)

    @property
    def waiting(self) -> int:
        """How many connections the worker has not taken yet."""
        return len(self._waiting)

    def give(self, passed: Passed) -> bool:
        """Pass a connection on; false if the worker cannot take it now."""
        if len(self._waiting) >= MOST_WAITING:
            return False
        try:
            socket.send_fds(self._end, [passed.kind], [passed.connection.fileno()])
        except OSError:
            return False
        self._waiting.append(passed)
        return True

    def close(self) -> list[Passed]:
        """Give no more; return what the worker did not take."""
        if self._end.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._end)
            self._collect()
            self._end.close()
        left = list(self._waiting)
        self._waiting.clear()
        return left

    def _acknowledged(self) -> None:
        if not self._collect():
            asyncio.get_running_loop().remove_reader(self._end)
        self._taken()

    def _collect(self) -> bool:
        """Let go of what the worker has; false once it has gone."""
        was_reset = False
        while True:
            try:
                message = self._end.recv(_COUNT.size)
            except BlockingIOError:
                return True
            except OSError:  # told once, before what the worker had still said
                if was_reset:
                    return False
                was_reset = True
                continue
            if not message:
                return False
            for _ in range(*_COUNT.unpack(message)):
                self._waiting.popleft().connection.close()


class Taking:
    """The worker's end. `factories` make the protocol of a connection, by its kind."""

    def __init__(self, end: socket.socket, factories: Mapping[bytes, Factory]) -> None:
        self._end = end
        self._factories = factories
        self._tasks: set[asyncio.Task[object]] = set()
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        self._loop.add_reader(self._end, self._take)

    async def stop(self) -> None:
        """Take no more; what was not taken goes to others, and what was is there when this returns."""
        self._leave()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _leave(self) -> None:
        self._loop.remove_reader(self._end)

    def _take(self) -> None:
        count = 0
        while count < TAKEN_AT_ONCE and (received := self._receive()) is not None:
            count += 1
            kind, connection = received
            task = self._loop.create_task(
                self._loop.connect_accepted_socket(self._factories[kind], connection)
            )
            self._tasks.add(task)
            task.add_done_callback(self._done)
        if count:
            self._acknowledge(count)

    def _receive(self) -> tuple[bytes, socket.socket] | None:
        try:
            kind, descriptors, _, _ = socket.recv_fds(self._end, 1, 1, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return None
        except OSError:
            kind, descriptors = b"", []
        if not descriptors:
            self._leave()
            return None
        connection = socket.socket(fileno=descriptors[0])
        connection.setblocking(False)
        return kind, connection

    def _acknowledge(self, count: int) -> None:
        try:
            self._end.send(_COUNT.pack(count))
        except OSError:
            self._leave()

    def _done(self, task: "asyncio.Task[object]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # the client left before it was greeted
