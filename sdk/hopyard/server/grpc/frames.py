"""HTTP/2 frames as bytes (RFC 9113, sections 4, 6 and 7): their numbers, and those this server writes."""

from enum import IntEnum
from struct import Struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD_BYTES = 9
HEAD = Struct(">BHBBL")  # a length of 24 bits in two parts, kind, flags, stream
LONG = Struct(">L")
SETTING = Struct(">HL")

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    range(10)
)

END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
WITH_PRIORITY = 0x20

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = range(1, 6)
MAX_HEADER_LIST_SIZE = 6

FIRST_WINDOW = 65_535
LARGEST_WINDOW = 2**31 - 1
SMALLEST_MAX_FRAME = 16_384
LARGEST_MAX_FRAME = 2**24 - 1
STREAM_BITS = 2**31 - 1


class Code(IntEnum):
    """Why a stream or a connection ends."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    ENHANCE_YOUR_CALM = 11


class ConnectionFault(Exception):
    """The peer broke the protocol; the connection ends with this code."""

    def __init__(self, code: Code, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class StreamFault(Exception):
    """The peer broke the protocol on one stream, which ends with this code."""

    def __init__(self, code: Code) -> None:
        super().__init__(code.name)
        self.code = code


def head(length: int, kind: int, flags: int, number: int) -> bytes:
    """Return the nine bytes before a payload of `length` bytes; `number` is the stream's."""
    return HEAD.pack(length >> 16, length & 0xFFFF, kind, flags, number)


def frame(kind: int, flags: int, number: int, payload: bytes) -> bytes:
    """Return a whole frame."""
    return head(len(payload), kind, flags, number) + payload


def settings(values: dict[int, int]) -> bytes:
    """Return a SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(SETTING.pack(name, value) for name, value in values.items()))


def window_update(number: int, more: int) -> bytes:
    """Return a WINDOW_UPDATE frame that lets the peer send so many bytes more."""
    return frame(WINDOW_UPDATE, 0, number, LONG.pack(more))


def reset(number: int, code: Code) -> bytes:
    """Return a RST_STREAM frame."""
    return frame(RST_STREAM, 0, number, LONG.pack(code))


def goaway(last: int, code: Code, reason: str = "") -> bytes:
    """Return a GOAWAY frame; streams after `last` were not looked at."""
    return frame(GOAWAY, 0, 0, LONG.pack(last) + LONG.pack(code) + reason.encode())


def unpadded(flags: int, payload: bytes) -> bytes:
    """Return the payload of a DATA or HEADERS frame without its padding. Raises ConnectionFault."""
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ConnectionFault(Code.PROTOCOL_ERROR, "the padding is longer than the frame")
    return payload[1 : len(payload) - payload[0]]


def read_settings(payload: bytes) -> dict[int, int]:
    """Return the values in a SETTINGS frame. Raises ConnectionFault for one that may not be."""
    values = dict(SETTING.iter_unpack(payload))
    if values.get(ENABLE_PUSH, 0) > 1:
        raise ConnectionFault(Code.PROTOCOL_ERROR, "ENABLE_PUSH is 0 or 1")
    if values.get(INITIAL_WINDOW_SIZE, 0) > LARGEST_WINDOW:
        raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE is over 2^31 - 1")
    if not SMALLEST_MAX_FRAME <= values.get(MAX_FRAME_SIZE, SMALLEST_MAX_FRAME) <= LARGEST_MAX_FRAME:
        raise ConnectionFault(Code.PROTOCOL_ERROR, "MAX_FRAME_SIZE is out of bounds")
    return values


SETTINGS_ACK = frame(SETTINGS, ACK, 0, b"")
