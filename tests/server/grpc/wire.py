"""A `GrpcProtocol` without a socket: what it is fed, what it writes, and a clock that the test turns.

The model is a data plane that echoes at once, or never, so that time passes only in the test.
"""

import asyncio
import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast
from unittest.mock import patch

from hopyard.server.bodies.tensors import TensorRequest, TensorResponse
from hopyard.server.books import Books
from hopyard.server.dataplane import DataPlane
from hopyard.server.grpc import GrpcProtocol, frames, inference
from hopyard.server.http.connections import Connections
from hopyard.server.http.limits import HttpLimits
from hopyard.server.http.requests import RequestIds
from hopyard.server.metrics import Metrics

HELLO = frames.PREFACE + frames.settings({})


class Socket(asyncio.Transport):
    """Keeps what is written. `full` behaves as a socket whose peer does not read."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closing = self.aborted = False

    def write(self, data: Any) -> None:
        assert not self.closing, "written after the end"
        self.written += data

    def write_eof(self) -> None: ...
    def can_write_eof(self) -> bool:
        return True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...
    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = self.aborted = True

    @property
    def frames(self) -> list[tuple[int, int, int, bytes]]:
        found, rest = [], self.written
        while rest:
            kind, flags, number = struct.unpack_from(">BBL", rest, 3)
            end = 9 + int.from_bytes(rest[:3])
            found.append((kind, flags, number, rest[9:end]))
            rest = rest[end:]
        return found

    @property
    def goaways(self) -> list[int]:
        return [
            struct.unpack_from(">LL", payload)[1]
            for kind, _, _, payload in self.frames
            if kind == frames.GOAWAY
        ]


class Plane:
    """Finds every model, and answers with what it was asked, or not at all."""

    def __init__(self, answers: bool) -> None:
        self.answers = answers

    def find(self, name: str, version: str = "") -> "Plane":
        return self

    def infer(self, _: Any, asked: TensorRequest, sender: inference.Inference, **__: Any) -> None:
        if self.answers:
            sender.answered(TensorResponse(asked.model_name, asked.inputs, id=asked.id))


class Errors(logging.Handler):
    """What the server logs of its own failures."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


class Wire:
    """One connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: HttpLimits, *, answers: bool = True) -> None:
        self.plane = Plane(answers)
        self.connections = Connections(loop)
        self.socket = Socket()
        self.protocol = GrpcProtocol(
            cast(DataPlane, self.plane),
            books=Books(Metrics(), None),
            keys=None,
            connections=self.connections,
            ids=RequestIds(),
            limits=limits,
        )
        self.protocol.connection_made(self.socket)

    def feed(self, data: bytes) -> None:
        if not self.socket.closing:
            self.protocol.data_received(data)

    def wait(self, seconds: float) -> None:
        """Let so much time pass, and the sweep see it."""
        self.connections.now += seconds
        if self.protocol.deadline < self.connections.now:
            self.protocol.expire()
        if not self.socket.closing:
            self.protocol._outgoing.flush()


@contextmanager
def wired(*, answers: bool = True, **limits: Any) -> Iterator[Wire]:
    """A connection on a loop that does not run."""
    loop = asyncio.new_event_loop()
    errors, log = Errors(), logging.getLogger("hopyard.server")
    log.addHandler(errors)
    with patch("asyncio.get_running_loop", lambda: loop):
        wire = Wire(loop, HttpLimits(**limits), answers=answers)
        with patch.object(inference, "infer_tensors", wire.plane.infer):
            yield wire
            wire.protocol.connection_lost(None)
    log.removeHandler(errors)
    loop.close()
    assert not [record.getMessage() for record in errors.records]
