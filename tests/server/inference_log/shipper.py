"""A real shipper in a process of its own, at the other end of a socket, as a server has it."""

import contextlib
import io
import json
import marshal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import fastavro

from hopyard.server.inference_log import frames, shrinking
from hopyard.server.inference_log.records import UNKNOWN

from ..process import eventually

LENGTH = struct.Struct(">I")
TOPIC = "iris-inf0001"


def record(
    number: int, inputs: Any = b'{"instances": [1]}', outputs: Any = b'{"predictions": [1]}', **other: Any
):
    """A record as the server writes them, the `number` of which is in its request id."""
    known = {
        "requested_at": 1_760_000_000.123456,
        "status": 200,
        "request_id": f"call-{number}".encode(),
        "protocol": "v1",
        "verb": "predict",
        "seconds": 0.25,
        "queue": 0.125,
        "preprocess": UNKNOWN,
        "predict": 0.0625,
        "postprocess": UNKNOWN,
        "inputs": inputs,
        "outputs": outputs,
        "error": None,
        "key_id": "k1",
        "extra": None,
    }
    return tuple((known | other).values())


class Shipper:
    """`settings` are fields of `Config`; `took` and `counts` are what it said so far."""

    def __init__(self, folder: Path, *, limit: str = "", **settings: Any) -> None:
        self.took: list[int] = []
        self.counts: dict[str, int] = {}
        self.sent = 0
        self._log = folder / "log"
        self._link, theirs = socket.socketpair()
        command = [sys.executable, "-P", "-m", "hopyard.server.inference_log.shipping"]
        if limit:  # as of bash's ulimit
            command = ["bash", "-c", f'ulimit {limit}; exec "$@"', "-", *command]
        with theirs, self._log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=theirs.fileno(), stderr=log, start_new_session=True
            )
        self._say({"writer": "r1-0", "topic": TOPIC, "replica": "r1", "drain_seconds": 5.0, **settings})
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def lines(self) -> list[str]:
        return self.log.splitlines()

    def send(self, records: Sequence[tuple[Any, ...]]) -> int:
        """Send a batch, and return its number."""
        self.sent += 1
        self._say((self.sent, list(records)))
        return self.sent

    def settled(self, **counts: int) -> None:
        """Wait until it has counted so many."""
        eventually(lambda: {name: self.counts.get(name) for name in counts} == counts, 40)

    def end(self, seconds: float = 20) -> int:
        """End as a server does it, and return the exit code."""
        self._link.shutdown(socket.SHUT_WR)
        return self.process.wait(seconds)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._link.close()

    def _say(self, message: Any) -> None:
        data = marshal.dumps(message)
        self._link.sendall(LENGTH.pack(len(data)) + data)

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            read = self._link.makefile("rb")
            while head := read.read(LENGTH.size):
                what, said = marshal.loads(read.read(*LENGTH.unpack(head)))
                if what == "took":
                    self.took.append(said)
                else:
                    self.counts = said


def values(folder: Path) -> list[bytes]:
    """What is in the files of a folder, in order."""
    found = (frames.read(path.read_bytes(), 10**9).values for path in sorted(folder.glob("*.log")))
    return [value for each in found for value in each]


def messages(folder: Path) -> list[bytes]:
    """What is in the topic's folder below this one."""
    return values(folder / "topics" / TOPIC)


def decoded(value: bytes, version: int = 5) -> dict[str, Any]:
    """With the library that everybody else has; nothing is left over."""
    schema = json.loads((shrinking.SCHEMAS / f"inferencelog-v{version}.json").read_text())
    file = io.BytesIO(value)
    found = fastavro.schemaless_reader(file, fastavro.parse_schema(schema), None)
    assert not file.read()
    return found  # type: ignore[return-value]


def request_ids(values: Sequence[bytes]) -> list[str]:
    return [decoded(value)["requestId"] for value in values]


@contextlib.contextmanager
def steadily(shipper: Shipper) -> Iterator[list[int]]:
    """Sends batches of ten all the time; gives the numbers of the records sent so far."""
    numbers: list[int] = []
    stopping = threading.Event()

    def send() -> None:
        while not stopping.wait(0.02):
            more = range(len(numbers), len(numbers) + 10)
            shipper.send([record(number) for number in more])
            numbers.extend(more)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield numbers
    finally:
        stopping.set()
        thread.join()


def seconds_since(began: float) -> float:
    return time.monotonic() - began
