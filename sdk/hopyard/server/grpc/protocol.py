"""gRPC on a connection of its own HTTP/2: `GrpcProtocol` ties the two sides to the socket, the sweep and the drain."""

import asyncio
import logging
from typing import cast

from hopyard.server.books import Books
from hopyard.server.dataplane import DataPlane
from hopyard.server.grpc import frames
from hopyard.server.grpc.frames import Code, ConnectionFault
from hopyard.server.grpc.heads import Head
from hopyard.server.grpc.incoming import CONNECTION_WINDOW, MAX_FRAME, STREAMS, Incoming
from hopyard.server.grpc.outgoing import STREAM_WINDOW, Outgoing
from hopyard.server.grpc.rpc import Carrier, Rpc
from hopyard.server.grpc.service import Service
from hopyard.server.grpc.streams import Stream
from hopyard.server.http.connections import FOREVER, Connections, has_unread
from hopyard.server.http.limits import HttpLimits
from hopyard.server.http.requests import RequestIds
from hopyard.server.keys import Keys
from hopyard.server.replies import Problem

IDLE_SECONDS = 3600.0
WRITE_BUFFER = 512 * 1024
EACH_TICK = 0.0

log = logging.getLogger(__name__)


class GrpcProtocol(asyncio.Protocol):
    """One connection. Its `deadline` is always over: the sweep has it look at the time with every tick."""

    def __init__(
        self,
        plane: DataPlane,
        *,
        books: Books,
        keys: Keys | None,
        connections: Connections,
        ids: RequestIds,
        limits: HttpLimits,
    ) -> None:
        self.deadline = EACH_TICK
        self._service = Service(plane, books, keys)
        self._connections = connections
        self._ids = ids
        self._limits = limits
        self._transport: asyncio.Transport
        self._outgoing: Outgoing
        self._incoming: Incoming
        self._carrier: Carrier
        self._quiet_since = connections.now
        self._gone_since = FOREVER
        self._says_goodbye = False

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast(asyncio.Transport, transport)
        transport.set_write_buffer_limits(high=WRITE_BUFFER)
        connections, limits = self._connections, self._limits
        self._outgoing = outgoing = Outgoing(transport, connections, self._closed)
        self._incoming = Incoming(outgoing, self._accept, connections=connections, limits=limits)
        self._carrier = Carrier(
            self._service, outgoing, connections, self._ids, limits, asyncio.get_running_loop()
        )
        connections.add(self)
        values = {
            frames.MAX_CONCURRENT_STREAMS: STREAMS,
            frames.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
            frames.MAX_FRAME_SIZE: MAX_FRAME,
            frames.MAX_HEADER_LIST_SIZE: limits.head_bytes,
        }
        more = CONNECTION_WINDOW - frames.FIRST_WINDOW
        transport.write(frames.settings(values) + frames.window_update(0, more))

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._abandon()

    def data_received(self, data: bytes) -> None:
        if self._gone_since != FOREVER:
            return
        try:
            self._incoming.feed(data)
        except ConnectionFault as fault:
            self._leave(fault.code, fault.reason)
        except Exception:
            log.exception("A connection failed inside the server")
            self._leave(Code.INTERNAL_ERROR, "the server failed; its log has the cause")
        self._outgoing.flush()

    def pause_writing(self) -> None:
        self._incoming.chores.peer_reads = False
        self._outgoing.pause()

    def resume_writing(self) -> None:
        self._incoming.chores.peer_reads = True
        self._outgoing.resume()

    # The sweep and the drain

    @property
    def idle(self) -> bool:
        return self._gone_since != FOREVER or not self._incoming.streams

    @property
    def is_new(self) -> bool:
        return self._incoming.last == 0

    @property
    def has_unread(self) -> bool:
        return has_unread(self._transport)

    def expire(self) -> None:
        """Look at the time: part from a peer that is too slow or away for too long, say that we are leaving."""
        now, limits = self._connections.now, self._limits
        if self._incoming.streams:
            self._quiet_since = now
        if now - self._gone_since > limits.linger or now - self._outgoing.stalled_since > limits.write:
            self._transport.abort()
        elif self._gone_since != FOREVER:
            return
        elif now - self._incoming.waiting_since > limits.head:
            self._leave(Code.PROTOCOL_ERROR, "the frame did not arrive in time; send it faster")
        elif now - self._quiet_since > IDLE_SECONDS:
            self.close()
        else:
            self._hurry(now)
            if self._connections.draining and not self._says_goodbye:
                self._says_goodbye = True
                # What is on its way here is still answered; `close` names the last stream.
                goodbye = frames.goaway(frames.LARGEST_WINDOW, Code.NO_ERROR, "the server is stopping")
                self._outgoing.write(goodbye)

    def close(self) -> None:
        """Close now; the peer is told which calls were not looked at."""
        if self._gone_since == FOREVER:
            self._outgoing.write(frames.goaway(self._incoming.last, Code.NO_ERROR))
        self._outgoing.flush()
        self._transport.close()

    # Inside

    def _accept(self, stream: Stream, head: Head) -> Rpc:
        return Rpc(stream, head, self._carrier)

    def _closed(self, stream: Stream) -> None:
        self._incoming.streams.pop(stream.number, None)
        if not stream.ended:
            self._outgoing.write(frames.reset(stream.number, Code.NO_ERROR))

    def _hurry(self, now: float) -> None:
        for stream in list(self._incoming.streams.values()):
            if stream.call.stalled(now):
                sentence = "The message did not arrive in time; send it faster."
                stream.call.refuse(Problem(408, sentence, "RequestTimeout"))

    def _leave(self, code: Code, reason: str) -> None:
        """End the connection, but listen a little longer: closing on unread bytes resets it, and the peer would
        never see why."""
        if self._transport.is_closing():
            return
        self._gone_since = self._connections.now
        self._abandon()
        self._outgoing.write(frames.goaway(self._incoming.last, code, reason))
        self._outgoing.flush()
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def _abandon(self) -> None:
        for stream in self._incoming.streams.values():
            stream.call.left()
        self._incoming.streams.clear()
