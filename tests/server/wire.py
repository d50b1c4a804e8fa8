"""The HTTP protocol without a socket: bytes in, answers out, and what must hold whatever came in."""

import asyncio
import json
import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from hopyard.server.http.connections import FOREVER, Connections
from hopyard.server.http.limits import HttpLimits
from hopyard.server.http.protocol import HttpProtocol
from hopyard.server.http.requests import Request, RequestIds

LIMITS = HttpLimits(body_bytes=20_000, head_bytes=4_000, pipelined=8)


class Clock:
    """An event loop, as far as `Connections` needs one; its time stands still."""

    def time(self) -> float:
        return 0.0

    def call_soon(self, act: Any) -> None:
        act()

    def call_later(self, seconds: float, act: Any) -> None:
        pass


class Wire(asyncio.Transport):
    """One connection. The handler tells what it was asked; with `later`, not before `answer_all`."""

    def __init__(self, connections: Connections, *, later: bool = False) -> None:
        super().__init__()
        self.said = bytearray()
        self.asked: list[tuple[bytes, bytes, bytes]] = []
        self.closed = self.ended = False
        self._later = later
        self._unanswered: list[Request] = []
        self.protocol = HttpProtocol(
            self._handle, connections=connections, ids=RequestIds(), limits=LIMITS, http2=None
        )
        self.protocol.connection_made(self)

    def feed(self, *chunks: bytes) -> "Wire":
        for chunk in chunks:
            if not self.closed and chunk:
                self.protocol.data_received(chunk)
        return self

    def answer_all(self) -> "Wire":
        while self._unanswered:
            self._tell(self._unanswered.pop(0))
        return self

    def answers(self) -> list[tuple[int, Any]]:
        """Status and body of every answer; fails on bytes that are no answers."""
        return parsed(bytes(self.said))

    def check(self) -> None:
        """Whatever came in: answers only, none of an exception, and nobody waits without an end."""
        for status, body in self.answers():
            assert status in (100, 200, 400, 408, 413, 431), status
            if status != 200 and body is not None:
                assert set(body) == {"error", "code", "request_id"}
        assert b"Traceback" not in self.said
        assert self.closed or self.protocol.deadline < FOREVER

    def _handle(self, request: Request) -> None:
        if self._later:
            self._unanswered.append(request)
        else:
            self._tell(request)

    def _tell(self, request: Request) -> None:
        if request.refusal is not None:
            refusal = request.refusal
            request.fail(refusal.status, refusal.code, refusal.sentence)
            return
        self.asked.append((request.method, request.target, request.body))
        headers = sorted(
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.items()
        )
        told = [request.method.decode(), request.target.decode("latin-1"), request.body.hex(), headers]
        request.respond(200, json.dumps(told).encode())

    # The transport

    def write(self, data: Any) -> None:
        assert not self.ended
        self.said += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading


_HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r]*\r\n((?:[^\r\n]+\r\n)*)\r\n").match


def parsed(said: bytes) -> list[tuple[int, Any]]:
    """Status and JSON of the answers in a row of bytes."""
    found, at = [], 0
    while at < len(said):
        head = _HEAD(said, at)
        assert head, said[at : at + 200]
        length = re.search(rb"content-length: (\d+)\r\n", head[2])
        end = head.end() + (int(length[1]) if length else 0)
        assert end <= len(said)
        found.append(
            (int(head[1]), json.loads(said[head.end() : end]) if length and end > head.end() else None)
        )
        at = end
    return found


def connections(*, learns: bool = True) -> Connections:
    """Connections that share the heads they know, or never know any."""
    made = Connections(Clock())  # type: ignore[arg-type]
    if not learns:
        made.heads.learn = lambda data, request: None  # type: ignore[method-assign]
    return made


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """Cut data at these places, each taken modulo its length."""
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]


@contextmanager
def silence() -> Iterator[None]:
    """Fail if the server logged an error of its own."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = records.append  # type: ignore[method-assign]
    logger = logging.getLogger("hopyard.server")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
    assert not records, logging.Formatter().format(records[0])
