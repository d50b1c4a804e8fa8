"""Sockets this server answers on: the private one, and one shared with the other replicas of the serving."""

import asyncio
import socket
from collections.abc import Callable

from hopyard.server.failures import Failure

BACKLOG = 2048
Factory = Callable[[], asyncio.Protocol]


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


def _unavailable(host: str, port: int, error: OSError) -> Failure:
    reason = f"Port {port} on {host} cannot be used ({error.strerror or error}); choose another or free it."
    return Failure("PortUnavailable", reason)
