"""Sockets this server listens on: the private one, and one shared with the other replicas of the serving."""

import asyncio
import ctypes
import logging
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hopyard.server import reports
from hopyard.server.config import Config
from hopyard.server.failures import Failure

BACKLOG = 2048
ACCEPTED_AT_ONCE = 64
BREATH_SECONDS = 0.05
HANDSHAKE_SECONDS = 0.05
SO_ATTACH_FILTER = 26
# A classic BPF program, see filter.rst of the kernel: drop a segment with SYN and without ACK, keep every other.
NO_SYN = (
    (0x30, 0, 0, 13),  # load the byte of the flags
    (0x54, 0, 0, 0x12),  # of which SYN and ACK count
    (0x15, 0, 1, 0x02),  # if it is SYN alone
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # keep
)
Factory = Callable[[], asyncio.Protocol]
Give = Callable[[socket.socket], None]

log = logging.getLogger(__name__)


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Take an address without listening yet. Raises Failure PortUnavailable."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _unavailable(host, port, error) from None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.setblocking(False)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise _unavailable(host, port, error) from None
    return bound


@dataclass(frozen=True, slots=True)
class Ports:
    """The bound sockets of a server, which does not listen on them yet."""

    http: socket.socket
    grpc: socket.socket | None
    shared: socket.socket | None

    @classmethod
    def bound(cls, settings: Config) -> "Ports":
        """Take the ports. Raises Failure PortUnavailable."""
        http = bind(settings.host, settings.port)
        has_grpc = settings.grpc_port is not None and settings.enable_grpc
        grpc = bind(settings.host, settings.grpc_port or 0) if has_grpc else None
        return cls(http, grpc, bind_shared(settings))

    @property
    def all(self) -> list[socket.socket]:
        return [each for each in (self.http, self.grpc, self.shared) if each is not None]


def bind_shared(settings: Config) -> socket.socket | None:
    if settings.shared_port is None:
        return None
    return bind(settings.shared_host, settings.shared_port, shared=True)


def publish(address_file: Path, host: str, port: int) -> None:
    """Tell the platform where this server listens. Raises Failure ConfigurationInvalid."""
    try:
        reports.write_address(address_file, host, port)
    except OSError as error:
        reason = f"HOPYARD_ADDRESS_FILE is {address_file}, which cannot be written: {error.strerror}."
        raise Failure("ConfigurationInvalid", reason) from None


class Listener:
    """A bound socket, joined and left."""

    def __init__(self, bound: socket.socket, factory: Factory) -> None:
        self._socket = bound
        self._factory = factory
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._socket.getsockname()[:2]
        return host, port

    async def join(self) -> None:
        """Begin to listen. Raises Failure PortUnavailable."""
        host, port = self.address
        try:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._factory, sock=self._socket, backlog=BACKLOG)
        except OSError as error:
            raise _unavailable(host, port, error) from None

    async def leave(self) -> None:
        """Stop listening, and still take the connections the kernel has completed for us."""
        if self._server is None:
            return
        await begin_no_more(self._socket)
        queue = self._socket.dup()
        self._server.close()
        self._server = None
        loop = asyncio.get_running_loop()
        with queue:
            while True:
                try:
                    accepted, _ = queue.accept()
                except OSError:
                    return
                accepted.setblocking(False)
                await loop.connect_accepted_socket(self._factory, accepted)


class Acceptor:
    """A bound socket whose connections are given away as they come, to whoever is to answer them."""

    def __init__(self, bound: socket.socket, give: Give) -> None:
        self._socket = bound
        self._give = give
        host, port = bound.getsockname()[:2]
        self.address: tuple[str, int] = (host, port)

    def join(self) -> None:
        """Begin to listen. Raises Failure PortUnavailable."""
        try:
            self._socket.listen(BACKLOG)
        except OSError as error:
            raise _unavailable(*self.address, error) from None
        asyncio.get_running_loop().add_reader(self._socket, self._accept)

    async def fade(self) -> None:
        """Let no new connection begin, and take those that have, before `leave`."""
        await begin_no_more(self._socket)

    def leave(self) -> None:
        """Stop listening, and still give away the connections the kernel has completed for us."""
        asyncio.get_running_loop().remove_reader(self._socket)
        with self._socket:
            while self._take():
                pass

    def _accept(self) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            if not self._take():
                return

    def _take(self) -> bool:
        try:
            connection, _ = self._socket.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False
        except OSError as error:
            self._breathe(error)
            return False
        connection.setblocking(False)
        self._give(connection)
        return True

    def _breathe(self, error: OSError) -> None:
        """Out of descriptors: the connection stays in the queue, and trying at once again would change nothing."""
        log.error("A connection cannot be accepted: %s", error.strerror)
        loop = asyncio.get_running_loop()
        if loop.remove_reader(self._socket):
            loop.call_later(BREATH_SECONDS, self._resume)

    def _resume(self) -> None:
        if self._socket.fileno() >= 0:
            asyncio.get_running_loop().add_reader(self._socket, self._accept)


async def begin_no_more(listening: socket.socket) -> None:
    """Have the kernel ignore requests for new connections, and give those that have begun the time to be complete.

    Closing a listening socket resets what its queue gets in that very moment. A client that is ignored asks again a
    second later, and is refused then, or finds another replica on a shared port: nothing it has sent is lost.
    """
    program = b"".join(struct.pack("HBBI", *each) for each in NO_SYN)
    held = ctypes.create_string_buffer(program)
    try:
        filtered = struct.pack("HP", len(NO_SYN), ctypes.addressof(held))
        listening.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, filtered)
    except OSError as error:  # a kernel without it
        log.debug("New connections cannot be held off: %s", error)
    await asyncio.sleep(HANDSHAKE_SECONDS)


def _unavailable(host: str, port: int, error: OSError) -> Failure:
    reason = f"Port {port} on {host} cannot be used ({error.strerror or error}); choose another or free it."
    return Failure("PortUnavailable", reason)
