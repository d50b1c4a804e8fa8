"""The receiving side of an HTTP/2 connection: bytes to frames, frames to streams and their calls."""

from collections.abc import Callable

from hopyard.server.grpc import frames
from hopyard.server.grpc.chores import Chores
from hopyard.server.grpc.frames import Code, ConnectionFault, StreamFault, read_settings
from hopyard.server.grpc.headers import EMPTY_TABLE, TABLE_BYTES
from hopyard.server.grpc.heads import Head, HeadReader
from hopyard.server.grpc.outgoing import STREAM_WINDOW, Outgoing
from hopyard.server.grpc.streams import Exchange, Stream
from hopyard.server.http.connections import FOREVER, Connections
from hopyard.server.http.limits import HttpLimits
from hopyard.server.replies import Problem

CONNECTION_WINDOW = 32 * 1024 * 1024
MAX_FRAME = frames.SMALLEST_MAX_FRAME
STREAMS = 256
HELD_MESSAGES = 4
RESET_CHORES = 10

Accept = Callable[[Stream, Head], Exchange]


class Incoming:
    """One connection's. `accept` makes the call that a new stream carries."""

    def __init__(
        self, outgoing: Outgoing, accept: Accept, *, connections: Connections, limits: HttpLimits
    ) -> None:
        self.last = 0
        self.streams: dict[int, Stream] = {}
        self._frame_since = FOREVER
        self._block_since = connections.now
        self._accept = accept
        self._connections = connections
        self._limits = limits
        self._outgoing = outgoing
        self._rest = b""
        self._greeted = False
        self._expected: int | None = frames.SETTINGS
        self._block: list[bytes] = []
        self._block_stream = self._block_flags = self._block_bytes = 0
        self._heads = HeadReader(limit=limits.head_bytes)
        self._credit = CONNECTION_WINDOW
        self.chores = Chores(connections)
        self._handlers = (
            self._on_data,
            self._on_headers,
            self._on_priority,
            self._on_reset,
            self._on_settings,
            self._on_push_promise,
            self._on_ping,
            self._on_goaway,
            self._on_window_update,
            self._on_continuation,
        )

    def feed(self, data: bytes) -> None:
        """Take what arrived. Raises ConnectionFault."""
        if self._rest:
            data = self._rest + data
        at = self._read_frames(data, 0 if self._greeted else self._preface(data))
        if at == len(data):
            self._rest, self._frame_since = b"", FOREVER
        else:
            if at or not self._rest:
                self._frame_since = self._connections.now
            self._rest = data[at:]

    @property
    def waiting_since(self) -> float:
        """When something began that the peer has to complete: the preface and its settings, a frame, a header
        block; in loop seconds, FOREVER where nothing was begun.
        """
        return min(self._frame_since, self._block_since)

    def _preface(self, data: bytes) -> int:
        """Return where the frames begin, 0 while the preface is incomplete."""
        if not frames.PREFACE.startswith(data[: len(frames.PREFACE)]):
            raise ConnectionFault(Code.PROTOCOL_ERROR, "this port speaks HTTP/2; the preface is missing")
        if len(data) < len(frames.PREFACE):
            return 0
        self._greeted = True
        return len(frames.PREFACE)

    def _read_frames(self, data: bytes, at: int) -> int:
        """Handle the whole frames from `at`; return where they end."""
        end, handlers, unpack = len(data), self._handlers, frames.HEAD.unpack_from
        while self._greeted and end - at >= frames.HEAD_BYTES:
            high, low, kind, flags, number = unpack(data, at)
            after = at + frames.HEAD_BYTES + (high << 16 | low)
            if after - at > MAX_FRAME + frames.HEAD_BYTES:
                raise ConnectionFault(Code.FRAME_SIZE_ERROR, f"a frame is over {MAX_FRAME} bytes")
            if self._expected is not None and kind != self._expected:
                raise ConnectionFault(Code.PROTOCOL_ERROR, "another frame was expected here")
            if after > end:
                break
            number &= frames.STREAM_BITS
            try:
                if kind < len(handlers):
                    handlers[kind](flags, number, data[at + frames.HEAD_BYTES : after])
                else:
                    self.chores.count()
            except StreamFault as fault:
                self._reset(number, fault.code)
            at = after
        return at

    # Streams

    def _on_data(self, flags: int, number: int, payload: bytes) -> None:
        size = len(payload)
        self._credit -= size
        if self._credit < CONNECTION_WINDOW // 2:
            self._open_connection()
        stream = self.streams.get(number)
        if flags & frames.PADDED:
            payload = frames.unpadded(flags, payload)
        if stream is None:
            self._stray(number)
            return
        if stream.ended:
            raise StreamFault(Code.STREAM_CLOSED)
        stream.credit -= size
        if stream.credit < 0:
            raise StreamFault(Code.FLOW_CONTROL_ERROR)
        if flags & frames.END_STREAM:
            stream.ended = True
        elif not payload:
            self.chores.count()
        call = stream.call
        call.received(payload, stream.ended)
        if stream.credit < STREAM_WINDOW // 2 and not stream.ended and call.wants_more:
            self._outgoing.grant(stream)

    def _open_connection(self) -> None:
        if self._credit < 0:
            raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "more data than the window allows")
        self._outgoing.write(frames.window_update(0, CONNECTION_WINDOW - self._credit))
        self._credit = CONNECTION_WINDOW
        held = {stream.number: stream.call.held for stream in self.streams.values()}
        if sum(held.values()) > HELD_MESSAGES * self._limits.body_bytes:
            largest = self.streams[max(held, key=held.__getitem__)]
            sentence = "Too many large messages arrive at once; send fewer at a time."
            largest.call.refuse(Problem(413, sentence, "BodyTooLarge"))

    def _on_headers(self, flags: int, number: int, payload: bytes) -> None:
        if not number & 1:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a client's streams have odd numbers")
        if flags & frames.PADDED:
            payload = frames.unpadded(flags, payload)
        if flags & frames.WITH_PRIORITY:
            if len(payload) < 5:
                raise ConnectionFault(Code.FRAME_SIZE_ERROR, "the priority is cut short")
            payload = payload[5:]
        if flags & frames.END_HEADERS:
            self._headers(number, payload, flags)
        else:
            self._block, self._block_bytes = [payload], len(payload)
            self._block_stream, self._block_flags = number, flags
            self._expected, self._block_since = frames.CONTINUATION, self._connections.now

    def _on_continuation(self, flags: int, number: int, payload: bytes) -> None:
        if self._expected is None or number != self._block_stream:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a continuation of nothing")
        self.chores.count()
        self._block.append(payload)
        self._block_bytes += len(payload)
        if self._block_bytes > self._limits.head_bytes:
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "the headers are too large; send fewer")
        if flags & frames.END_HEADERS:
            self._expected, self._block_since = None, FOREVER
            block, self._block = b"".join(self._block), []
            self._headers(number, block, self._block_flags)

    def _headers(self, number: int, block: bytes, flags: int) -> None:
        if number <= self.last:
            self._trailers(number, block, flags)
            return
        self.last = number
        head = self._heads.read(block)
        if len(self.streams) >= STREAMS:
            self.chores.count()
            raise StreamFault(Code.REFUSED_STREAM)
        stream = Stream(number, window=self._outgoing.first_window, credit=STREAM_WINDOW)
        stream.ended = bool(flags & frames.END_STREAM)
        stream.call = call = self._accept(stream, head)
        self.streams[number] = stream
        call.begin()
        if stream.ended:
            call.received(b"", True)

    def _trailers(self, number: int, block: bytes, flags: int) -> None:
        stream = self.streams.get(number)
        self._heads.check_trailers(block)
        if stream is None:
            self.chores.count()
            return
        if stream.ended:
            raise StreamFault(Code.STREAM_CLOSED)
        if not flags & frames.END_STREAM:
            raise StreamFault(Code.PROTOCOL_ERROR)
        stream.ended = True
        stream.call.received(b"", True)

    def _on_priority(self, flags: int, number: int, payload: bytes) -> None:
        self.chores.count()
        if not number:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a priority of no stream")
        if len(payload) != 5:
            raise StreamFault(Code.FRAME_SIZE_ERROR)

    def _on_reset(self, flags: int, number: int, payload: bytes) -> None:
        self.chores.count(RESET_CHORES)
        self._check_size(payload, 4)
        stream = self.streams.get(number)
        if stream is None:
            self._stray(number)
        else:
            self._forget(stream)

    def _on_push_promise(self, flags: int, number: int, payload: bytes) -> None:
        raise ConnectionFault(Code.PROTOCOL_ERROR, "a client does not push")

    # The connection

    def _on_settings(self, flags: int, number: int, payload: bytes) -> None:
        self._expected, self._block_since = None, FOREVER
        self.chores.count()
        if number:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "settings of a stream")
        if len(payload) % frames.SETTING.size or (flags & frames.ACK and payload):
            raise ConnectionFault(Code.FRAME_SIZE_ERROR, "the settings are cut short")
        if flags & frames.ACK:
            return
        outgoing, values = self._outgoing, read_settings(payload)
        outgoing.write(frames.SETTINGS_ACK)  # before anything that needs the new values
        if values.get(frames.HEADER_TABLE_SIZE, TABLE_BYTES) < TABLE_BYTES:
            outgoing.empty_table(EMPTY_TABLE)
        outgoing.max_frame = values.get(frames.MAX_FRAME_SIZE, outgoing.max_frame)
        if frames.INITIAL_WINDOW_SIZE in values:
            outgoing.resize_windows(values[frames.INITIAL_WINDOW_SIZE], list(self.streams.values()))

    def _on_ping(self, flags: int, number: int, payload: bytes) -> None:
        self.chores.count()
        self._check_size(payload, 8)
        if number:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a ping of a stream")
        if not flags & frames.ACK:
            self._outgoing.write(frames.frame(frames.PING, frames.ACK, 0, payload))

    def _on_goaway(self, flags: int, number: int, payload: bytes) -> None:
        """The client begins nothing new; it closes when its streams have ended."""
        if number:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a goaway of a stream")

    def _on_window_update(self, flags: int, number: int, payload: bytes) -> None:
        self._check_size(payload, 4)
        more = frames.LONG.unpack(payload)[0] & frames.LARGEST_WINDOW
        stream = self.streams.get(number)
        if stream is not None or not number:
            self._outgoing.opened(stream, more)
        else:
            self._stray(number)

    def _check_size(self, payload: bytes, size: int) -> None:
        if len(payload) != size:
            raise ConnectionFault(Code.FRAME_SIZE_ERROR, f"the frame has {len(payload)} bytes, not {size}")

    def _stray(self, number: int) -> None:
        """A frame of no open stream: fine after its end, wrong before its beginning."""
        if not number or number > self.last or not number & 1:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a frame of a stream that was never begun")
        self.chores.count()

    def _reset(self, number: int, code: Code) -> None:
        stream = self.streams.get(number)
        if stream is not None:
            self._forget(stream)
        self._outgoing.write(frames.reset(number, code))

    def _forget(self, stream: Stream) -> None:
        del self.streams[stream.number]
        stream.call.left()
        self._outgoing.drop(stream)
