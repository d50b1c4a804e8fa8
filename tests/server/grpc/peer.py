"""A small gRPC client of raw frames, which can also be as rude as a test needs it."""

import socket
import struct
from dataclasses import dataclass, field
from typing import Any

import hpack

from hopyard.server.grpc import frames
from hopyard.server.grpc.messages import CLASSES

SECONDS = 20.0
SERVICE = "inference.GRPCInferenceService"
Frame = tuple[int, int, int, bytes]  # kind, flags, stream, payload


@dataclass
class Answer:
    """What came back on one stream. `reset` is the code of a RST_STREAM, None without one."""

    headers: dict[str, str] = field(default_factory=dict)
    trailers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    reset: int | None = None
    ended: bool = False

    @property
    def status(self) -> int:
        return int(self.trailers["grpc-status"])

    @property
    def sentence(self) -> str:
        return self.trailers.get("grpc-message", "")

    @property
    def messages(self) -> list[bytes]:
        found, rest = [], self.body
        while rest:
            _, length = struct.unpack_from(">BL", rest)
            found.append(rest[5 : 5 + length])
            rest = rest[5 + length :]
        return found

    def message(self, name: str) -> Any:
        assert self.status == 0, self.trailers
        (message,) = self.messages
        return CLASSES[name].FromString(message)


class Peer:
    """One connection to a server."""

    def __init__(
        self, address: tuple[str, int], settings: dict[int, int] | None = None, *, greets: bool = True
    ) -> None:
        self.socket = socket.create_connection(address, timeout=SECONDS)
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.answers: dict[int, Answer] = {}
        self.others: list[Frame] = []
        self.closed = False
        self._rest = b""
        self._next = 1
        if greets:
            self.send(frames.PREFACE + frames.settings(settings or {}))

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def head(self, path: str, **changes: str | None) -> bytes:
        """A header block; names with `_` for `-`, `None` leaves one out."""
        named = {
            ":method": "POST",
            ":scheme": "http",
            ":path": path if path.startswith("/") else f"/{SERVICE}/{path}",
            ":authority": "x",
            "content-type": "application/grpc",
            "te": "trailers",
        } | {name.replace("_", "-"): value for name, value in changes.items()}
        return bytes(self.encoder.encode([(k, v) for k, v in named.items() if v is not None]))

    def begin(self, path: str, flags: int = frames.END_HEADERS, **changes: str | None) -> int:
        """Open a stream; return its number."""
        number, self._next = self._next, self._next + 2
        self.answers[number] = Answer()
        self.send(frames.frame(frames.HEADERS, flags, number, self.head(path, **changes)))
        return number

    def put(self, number: int, message: bytes, *, flag: int = 0, ends: bool = True) -> None:
        """Send one message, in frames as large as the server takes them."""
        data = struct.pack(">BL", flag, len(message)) + message
        for at in range(0, len(data), frames.SMALLEST_MAX_FRAME):
            part = data[at : at + frames.SMALLEST_MAX_FRAME]
            last = ends and at + len(part) == len(data)
            self.send(frames.frame(frames.DATA, frames.END_STREAM * last, number, part))

    def ask(self, path: str, message: Any, **changes: str | None) -> int:
        number = self.begin(path, **changes)
        self.put(number, message if isinstance(message, bytes) else message.SerializeToString())
        return number

    def call(self, path: str, message: Any = b"", **changes: str | None) -> Answer:
        """Make one call and wait for its end."""
        return self.answer(self.ask(path, message, **changes))

    def answer(self, number: int) -> Answer:
        answer = self.answers[number]
        while not answer.ended and self.read():
            pass
        return answer

    def until(self, kind: int) -> Frame | None:
        """The first frame of a kind that is of no stream; None if the connection ends before."""
        while True:
            for frame in self.others:
                if frame[0] == kind and not (kind == frames.SETTINGS and frame[1]):
                    return frame
            if not self.read():
                return None

    def goaway(self) -> int | None:
        """Wait for the end of the connection; return the code it was given."""
        while self.read():
            pass
        codes = [
            struct.unpack_from(">LL", payload)[1]
            for kind, _, _, payload in self.others
            if kind == frames.GOAWAY
        ]
        return codes[-1] if codes else None

    def read(self) -> bool:
        """Take what comes next; False at the end of the connection."""
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        self.closed = self.closed or not data
        data = self._rest + data
        while len(data) >= 9:
            length = int.from_bytes(data[:3])
            if len(data) < 9 + length:
                break
            kind, flags, number = struct.unpack_from(">BBL", data, 3)
            self._take(kind, flags, number, data[9 : 9 + length])
            data = data[9 + length :]
        self._rest = data
        return not self.closed

    def _take(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        answer = self.answers.get(number)
        if answer is None or kind == frames.WINDOW_UPDATE:
            self.others.append((kind, flags, number, payload))
            return
        if kind == frames.HEADERS:
            fields = dict(self.decoder.decode(payload))
            if flags & frames.END_STREAM:
                answer.trailers = fields
            else:
                answer.headers = fields
        elif kind == frames.DATA:
            answer.body += payload
        elif kind == frames.RST_STREAM:
            answer.reset = struct.unpack(">L", payload)[0]
        answer.ended = answer.ended or kind == frames.RST_STREAM or bool(flags & frames.END_STREAM)


def infer_request(
    values: list[float],
    *,
    name: str = "iris",
    raw: bool = False,
    shape: list[int] | None = None,
    **fields: Any,
) -> Any:
    """A ModelInferRequest of one FP64 tensor."""
    request = CLASSES["ModelInferRequest"](model_name=name, **fields)
    tensor = request.inputs.add(name="x", datatype="FP64", shape=shape or [1, len(values)])
    if raw:
        request.raw_input_contents.append(struct.pack(f"<{len(values)}d", *values))
    else:
        tensor.contents.fp64_contents.extend(values)
    return request
