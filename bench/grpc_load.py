"""A closed-loop load generator for V2 gRPC ModelInfer, cheap enough not to be the bottleneck.

    python grpc_load.py PORT MODEL ROWS_JSON --connections 64 --seconds 4

Each connection has one call in flight. Requests are made beforehand; a connection only writes HTTP/2 frames and
walks the headers of those that come back. The first answer of each connection is decoded and checked.
"""

import argparse
import json
import selectors
import socket
import struct
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from payloads import flat, raw_content, same, shape_of

DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW = 0, 1, 3, 4, 6, 7, 8
ACK = END_STREAM = 1
END_HEADERS = 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
WINDOW_BYTES = 2**30
OUTPUTS, RAW_OUTPUTS, CONTENTS = 5, 6, 5  # field numbers of ModelInferResponse and of its output tensors
SCALARS = {1: "B", 2: "i", 3: "q", 6: "f", 7: "d"}  # of InferTensorContents


def varint(number: int) -> bytes:
    data = b""
    while number > 127:
        data += bytes((number & 127 | 128,))
        number >>= 7
    return data + bytes((number,))


def bytes_field(number: int, value: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(value)) + value


def message(model: str, rows: list[Any]) -> bytes:
    """A ModelInferRequest with FP64 contents, framed for gRPC; it must fit one HTTP/2 frame of 16 KiB."""
    tensor = bytes_field(1, b"input-0") + bytes_field(2, b"FP64")
    tensor += bytes_field(3, b"".join(varint(size) for size in shape_of(model, rows)))
    tensor += bytes_field(CONTENTS, bytes_field(7, raw_content(model, list(flat(rows)))))
    request = bytes_field(1, model.encode()) + bytes_field(5, tensor)
    return struct.pack("!BI", 0, len(request)) + request


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        size, kind = 0, key & 7
        if kind == 0:
            value, at = read_varint(data, at)
            yield key >> 3, value
            continue
        if kind == 2:
            size, at = read_varint(data, at)
        else:
            size = 8 if kind == 1 else 4
        yield key >> 3, data[at : at + size]
        at += size


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at


def values_of(response: bytes) -> list[Any]:
    """The first output's numbers, typed or raw; raw ones are 8 bytes wide or 4 as their datatype says."""
    datatype, values = "FP64", []
    for number, value in fields(response):
        if number == OUTPUTS:
            parts = dict(fields(value))
            datatype = parts[2].decode()
            for kind, packed in fields(parts.get(CONTENTS, b"")):
                values = _varints(packed) if kind in (2, 3) else array(SCALARS[kind], packed).tolist()
        elif number == RAW_OUTPUTS:
            code = {"FP64": "d", "FP32": "f", "INT64": "q", "INT32": "i"}[datatype]
            values = array(code, value).tolist()
    return values


def _varints(packed: bytes) -> list[int]:
    values, at = [], 0
    while at < len(packed):
        value, at = read_varint(packed, at)
        values.append(value)
    return values


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


def head(port: int) -> bytes:
    """The header block of every call: literals without indexing, so that it never changes."""
    pairs = {
        ":method": "POST",
        ":scheme": "http",
        ":path": "/inference.GRPCInferenceService/ModelInfer",
        ":authority": f"127.0.0.1:{port}",
        "content-type": "application/grpc",
        "te": "trailers",
    }
    texts = ((name.encode(), value.encode()) for name, value in pairs.items())
    return b"".join(b"\0%c%b%c%b" % (len(name), name, len(value), value) for name, value in texts)


@dataclass(slots=True, eq=False)
class Connection:
    sock: socket.socket
    head: bytes
    messages: list[bytes]
    answers: list[list[float]]
    turn: int
    stream: int = -1
    began: float = 0.0
    got_data: bool = False
    is_checked: bool = False
    unread: bytes = b""
    body: bytes = b""
    received: int = 0

    def open(self) -> None:
        window = struct.pack("!HI", 4, WINDOW_BYTES)
        self.sock.sendall(PREFACE + frame(SETTINGS, 0, 0, window))
        self.sock.sendall(frame(WINDOW, 0, 0, struct.pack("!I", WINDOW_BYTES)))

    def ask(self) -> None:
        self.stream += 2
        self.turn = (self.turn + 1) % len(self.messages)
        self.got_data, self.body = False, b""
        self.began = perf_counter()
        data = frame(HEADERS, END_HEADERS, self.stream, self.head)
        self.sock.sendall(data + frame(DATA, END_STREAM, self.stream, self.messages[self.turn]))

    def receive(self) -> bool | None:
        """Read what is there: True for a good answer, False for a failed one, None for neither yet."""
        data = self.unread + self.sock.recv(65536)
        if len(data) == len(self.unread):
            raise ConnectionError("the server closed a connection")
        at, end, outcome = 0, len(data), None
        while end - at >= 9:
            size = data[at] << 16 | data[at + 1] << 8 | data[at + 2]
            if end - at < 9 + size:
                break
            kind, flags, after = data[at + 3], data[at + 4], at + 9 + size
            if kind in (DATA, HEADERS):
                if kind == DATA:
                    self._take(data[at + 9 : after])
                if flags & END_STREAM:
                    outcome = self.got_data and self._is_right()
            elif kind in (PING, SETTINGS):
                if not flags & ACK:
                    self.sock.sendall(frame(kind, ACK, 0, data[at + 9 : after] if kind == PING else b""))
            elif kind in (RESET, GOAWAY):
                raise ConnectionError(f"the server ended a call: {data[at + 9 : after]!r}")
            at = after
        self.unread = data[at:]
        return outcome

    def _take(self, data: bytes) -> None:
        self.got_data = True
        self.received += len(data)
        if not self.is_checked:
            self.body += data
        if self.received > WINDOW_BYTES // 2:
            self.sock.sendall(frame(WINDOW, 0, 0, struct.pack("!I", self.received)))
            self.received = 0

    def _is_right(self) -> bool:
        if not self.is_checked:
            self.is_checked = same(values_of(self.body[5:]), self.answers[self.turn])
        return self.is_checked


def drive(connections: list[Connection], seconds: float) -> dict[str, Any]:
    selector = selectors.DefaultSelector()
    for each in connections:
        selector.register(each.sock, selectors.EVENT_READ, each)
        each.open()
    began = perf_counter()
    end = began + seconds
    for each in connections:
        each.ask()
    times: list[float] = []
    errors, now = 0, began
    while now < end:
        for key, _ in selector.select(1.0):
            each = key.data
            outcome = each.receive()
            if outcome is None:
                continue
            if outcome:
                times.append(perf_counter() - each.began)
            else:
                errors += 1
            each.ask()
        now = perf_counter()
    times.sort()
    at = [round(times[int(len(times) * share)] * 1000, 4) if times else 0.0 for share in (0.5, 0.99)]
    took = now - began
    return {"requests": len(times), "seconds": took, "errors": errors, "p50_ms": at[0], "p99_ms": at[1]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("model")
    parser.add_argument("rows", type=Path)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    document = json.loads(options.rows.read_bytes())[options.model]
    messages = [message(options.model, [row]) for row in document["rows"]]
    answers = [[answer] for answer in document["answers"]]
    connections = []
    for number in range(options.connections):
        sock = socket.create_connection(("127.0.0.1", options.port), timeout=30)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connections.append(Connection(sock, head(options.port), messages, answers, number % len(messages)))
    try:
        print("RESULT", json.dumps(drive(connections, options.seconds)))
    except (ConnectionError, TimeoutError) as error:
        sys.exit(f"The load stopped: {error}")


if __name__ == "__main__":
    main()
