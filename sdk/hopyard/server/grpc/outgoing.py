"""The sending side of an HTTP/2 connection: frames, the peer's windows, and what waits for them to open.

An answer that fits is one write. A larger one is cut to frames, which take turns with those of other streams
and wait while the peer's windows or the socket are full.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from hopyard.server.grpc import frames
from hopyard.server.grpc.frames import Code, ConnectionFault, StreamFault
from hopyard.server.grpc.framing import PREFIX, PREFIX_BYTES
from hopyard.server.grpc.streams import Stream
from hopyard.server.http.connections import FOREVER, Connections

STREAM_WINDOW = 8 * 1024 * 1024
FLUSH_BYTES = 64 * 1024
LONGEST_FRAME = 256 * 1024


class Outgoing:
    """One connection's. `closed` is called with each stream whose last frame was written.

    `stalled_since` is when something began to wait or last moved, in loop seconds; FOREVER if nothing waits.
    """

    def __init__(
        self, transport: asyncio.Transport, connections: Connections, closed: Callable[[Stream], None]
    ) -> None:
        self.window = frames.FIRST_WINDOW
        self.first_window = frames.FIRST_WINDOW
        self.max_frame = frames.SMALLEST_MAX_FRAME
        self.stalled_since = FOREVER
        self._transport = transport
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._unflushed: list[bytes] = []
        self._unflushed_bytes = 0
        self._closed = closed
        self._ready: deque[Stream] = deque()
        self._parked: set[Stream] = set()
        self._writable = True
        self._pumping = False
        self._prefix = b""

    def write(self, data: bytes) -> None:
        """Send whole frames, with all others of this turn of the event loop."""
        if not self._unflushed:
            self._loop.call_soon(self.flush)
        self._unflushed.append(data)
        self._unflushed_bytes += len(data)
        if self._unflushed_bytes >= FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand everything over to the socket."""
        if self._unflushed:
            data = b"".join(self._unflushed)
            self._unflushed.clear()
            self._unflushed_bytes = 0
            self._transport.write(data)

    # Whole answers

    def answer(self, stream: Stream, block: bytes, message: bytes, trailers: bytes) -> None:
        """Send headers, one message and trailers."""
        length = len(message)
        size = length + PREFIX_BYTES
        fits = size <= self.window and size <= stream.window and size <= self.max_frame
        if not fits or self.stalled_since != FOREVER:
            self.begin(stream, block)
            self.put(stream, message)
            self.finish(stream, trailers)
            return
        self.window -= size
        number, pack = stream.number, frames.HEAD.pack
        block = self._prefixed(block)
        self.write(
            b"".join(
                (
                    pack(0, len(block), frames.HEADERS, frames.END_HEADERS, number),
                    block,
                    pack(size >> 16, size & 0xFFFF, frames.DATA, 0, number),
                    PREFIX.pack(0, length),
                    message,
                    pack(0, len(trailers), frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, number),
                    trailers,
                )
            )
        )
        self._closed(stream)

    def refuse(self, stream: Stream, block: bytes) -> None:
        """Send headers alone, which are trailers at once."""
        self._headers(stream, block, frames.END_STREAM)
        self._closed(stream)

    # Answers in parts

    def begin(self, stream: Stream, block: bytes) -> None:
        """Send the headers before the first message."""
        self._headers(stream, block, 0)

    def put(self, stream: Stream, message: bytes) -> None:
        """Send one message, now or when the peer takes it."""
        stream.waiting.append(memoryview(PREFIX.pack(0, len(message)) + message))
        self._queue(stream)

    def finish(self, stream: Stream, trailers: bytes) -> None:
        """Send the trailers after everything else."""
        stream.trailers = trailers
        self._queue(stream)

    def grant(self, stream: Stream) -> None:
        """Let the peer fill its window again, once half of it is used."""
        if stream.credit < STREAM_WINDOW // 2:
            self.write(frames.window_update(stream.number, STREAM_WINDOW - stream.credit))
            stream.credit = STREAM_WINDOW

    def drop(self, stream: Stream) -> None:
        """Forget what was to be sent on a stream."""
        stream.waiting.clear()
        stream.trailers = None
        self._parked.discard(stream)
        if stream in self._ready:
            self._ready.remove(stream)
        self._look_at_time()

    # What the peer and the socket allow

    def opened(self, stream: Stream | None, more: int) -> None:
        """The peer takes so many bytes more, on a stream or on the whole connection. Raises a fault."""
        if not more:
            if stream is None:
                raise ConnectionFault(Code.PROTOCOL_ERROR, "a window update of 0")
            raise StreamFault(Code.PROTOCOL_ERROR)
        if stream is None:
            self.window += more
            if self.window > frames.LARGEST_WINDOW:
                raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "the window is over 2^31 - 1")
        else:
            stream.window += more
            if stream.window > frames.LARGEST_WINDOW:
                raise StreamFault(Code.FLOW_CONTROL_ERROR)
            self._unpark(stream)
        if self._ready:
            self._pump()

    def resize_windows(self, size: int, streams: list[Stream]) -> None:
        """The peer changed the first window of every stream. Raises ConnectionFault."""
        change, self.first_window = size - self.first_window, size
        for stream in streams:
            stream.window += change
            if stream.window > frames.LARGEST_WINDOW:
                raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "a stream's window is over 2^31 - 1")
            self._unpark(stream)
        self._pump()

    def empty_table(self, block: bytes) -> None:
        """Begin the next header block with this: the peer wants its table smaller than it is."""
        self._prefix = block

    def pause(self) -> None:
        """The socket is full."""
        self._writable = False
        self._moved()

    def resume(self) -> None:
        """The socket takes more."""
        self._writable = True
        self._moved()
        self._pump()

    # Inside

    def _headers(self, stream: Stream, block: bytes, flags: int) -> None:
        block = self._prefixed(block)
        self.write(frames.head(len(block), frames.HEADERS, frames.END_HEADERS | flags, stream.number) + block)

    def _prefixed(self, block: bytes) -> bytes:
        if self._prefix:
            block, self._prefix = self._prefix + block, b""
        return block

    def _queue(self, stream: Stream) -> None:
        if stream not in self._parked and stream not in self._ready:
            self._ready.append(stream)
        if self.stalled_since == FOREVER:
            self._moved()
        self._pump()

    def _unpark(self, stream: Stream) -> None:
        if stream in self._parked and stream.window > 0:
            self._parked.remove(stream)
            self._ready.append(stream)

    def _pump(self) -> None:
        """Send what can be sent, one frame of each stream at a time."""
        if self._pumping:  # writing may tell us that the socket takes more before it returns
            return
        self._pumping = True
        ready = self._ready
        while ready and self._writable:
            stream = ready.popleft()
            if not stream.waiting:
                self._end(stream)
            elif stream.window <= 0:
                self._parked.add(stream)
            elif self.window <= 0:
                ready.appendleft(stream)
                break
            else:
                self._send_frame(stream)
                ready.append(stream)
        self._pumping = False
        self._look_at_time()

    def _send_frame(self, stream: Stream) -> None:
        part = stream.waiting[0]
        size = min(len(part), stream.window, self.window, self.max_frame, LONGEST_FRAME)
        self.window -= size
        stream.window -= size
        if size < len(part):
            stream.waiting[0] = part[size:]
        else:
            stream.waiting.popleft()
        self._moved()
        self.write(frames.head(size, frames.DATA, 0, stream.number) + part[:size])

    def _end(self, stream: Stream) -> None:
        if stream.trailers is None:
            stream.taken()
            return
        self._headers(stream, stream.trailers, frames.END_STREAM)
        stream.trailers = None
        self._closed(stream)

    def _moved(self) -> None:
        self.stalled_since = self._connections.now

    def _look_at_time(self) -> None:
        if self._writable and not self._ready and not self._parked:
            self.stalled_since = FOREVER
