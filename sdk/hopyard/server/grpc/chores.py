"""Frames that are cheap to send and do nobody any good: how many of them a connection may bring."""

from hopyard.server.grpc.frames import Code, ConnectionFault
from hopyard.server.http.connections import Connections

A_SECOND = 10_000


class Chores:
    """Counts those of one connection. The count does not begin anew while the peer does not read our answers."""

    __slots__ = ("_connections", "_count", "_since", "peer_reads")

    def __init__(self, connections: Connections) -> None:
        self.peer_reads = True
        self._connections = connections
        self._count = 0
        self._since = connections.now

    def count(self, weight: int = 1) -> None:
        """Count one, of so much weight. Raises ConnectionFault beyond `A_SECOND`."""
        now = self._connections.now
        if now != self._since and self.peer_reads:
            self._count, self._since = 0, now
        self._count += weight
        if self._count > A_SECOND:
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "too many frames that do nothing")
