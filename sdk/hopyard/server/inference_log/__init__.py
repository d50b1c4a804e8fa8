"""Inference records: a bounded queue no prediction waits for, and a thread that ships it to a sink.

A sink has one method, `append(lines)`, and may raise OSError: the records are then counted as dropped, or as many of
them as a `Lost` says.
"""

import hashlib
import logging
import os
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import orjson

from hopyard.server.failures import writable

MAX_RECORDS = 10_000
MAX_BYTES = 64 * 1024 * 1024
MAX_TEXT = 64 * 1024
MAX_BATCH = 1_000
GATHER_SECONDS = 0.1

log = logging.getLogger(__name__)


class Lost(OSError):
    """So many lines of a batch were not taken."""

    def __init__(self, reason: str, lines: int) -> None:
        super().__init__(reason)
        self.lines = lines


class Sink(Protocol):
    def append(self, lines: list[bytes]) -> None: ...


@dataclass(frozen=True, slots=True)
class Origin:
    """What all records of one replica share."""

    project: str
    serving: str
    revision: str
    replica: str
    model_version: str


@dataclass(frozen=True, slots=True)
class Record:
    """One call. `requested_at` is in epoch milliseconds; bodies are raw JSON text."""

    request_id: str
    verb: str
    status: int
    requested_at: int
    duration_us: int
    inputs: bytes
    outputs: bytes
    error: str | None
    key_id: str | None


class InferenceLog:
    """The queue and its thread. `put` is for the event loop alone."""

    def __init__(self, sink: Sink, origin: Origin, *, mode: str) -> None:
        self.written = 0
        self.dropped_by_sink = 0
        self.dropped_by_queue = 0
        self._sink = sink
        self._shared = {name: writable(getattr(origin, name)) for name in origin.__slots__}
        self._inputs = mode in ("ALL", "MODEL_INPUTS")
        self._outputs = mode in ("ALL", "PREDICTIONS")
        self._queue: deque[Record] = deque()
        # One side only adds to each, so neither needs a lock.
        self._bytes_in = 0
        self._bytes_out = 0
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._ship, name="inference-log", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        return self.dropped_by_queue + self.dropped_by_sink

    def put(self, record: Record) -> None:
        if len(self._queue) >= MAX_RECORDS or self._bytes_in - self._bytes_out >= MAX_BYTES:
            self.dropped_by_queue += 1
            return
        self._bytes_in += len(record.inputs) + len(record.outputs)
        self._queue.append(record)
        if not self._wake.is_set():
            self._wake.set()

    def close(self, seconds: float) -> None:
        """Ship what is queued, for at most this long."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(seconds)

    def _ship(self) -> None:
        failing = False
        while self._queue or not self._stopping.is_set():
            self._wake.wait()
            self._wake.clear()
            self._stopping.wait(GATHER_SECONDS)
            while batch := self._take():
                failing = self._append(batch, failing=failing)

    def _take(self) -> list[Record]:
        return [self._queue.popleft() for _ in range(min(len(self._queue), MAX_BATCH))]

    def _append(self, batch: list[Record], *, failing: bool) -> bool:
        try:
            self._sink.append([self._line(record) for record in batch])
        except Exception as error:
            lost = error.lines if isinstance(error, Lost) else len(batch)
            self.dropped_by_sink += lost
            self.written += len(batch) - lost
            if not failing:
                log.error("Inference records cannot be written and are dropped: %s", error)
            return True
        finally:
            self._bytes_out += sum(len(record.inputs) + len(record.outputs) for record in batch)
        self.written += len(batch)
        return False

    def _line(self, record: Record) -> bytes:
        document: dict[str, Any] = {
            "request_id": writable(record.request_id),
            **self._shared,
            "verb": record.verb,
            "status": record.status,
            "requested_at": record.requested_at,
            "duration_us": record.duration_us,
            "inputs": _text(record.inputs) if self._inputs else None,
            "outputs": _text(record.outputs) if self._outputs and record.outputs else None,
            "error": None if record.error is None else writable(record.error),
            "key_id": None if record.key_id is None else writable(record.key_id),
        }
        return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def _text(raw: bytes) -> str | dict[str, Any]:
    if len(raw) > MAX_TEXT:
        return {"size": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    return raw.decode(errors="replace")


class DirectorySink:
    """Appends to `<topic directory>/<topic>/<replica>.jsonl`, one write per batch."""

    def __init__(self, topic_dir: Path, topic: str, replica: str) -> None:
        self._path = topic_dir / topic / f"{replica}.jsonl"
        self._torn = True

    def append(self, lines: list[bytes]) -> None:
        """Write whole lines; after a torn write (disk full, killed) the next batch starts on a new line."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        data = b"".join(lines)
        with self._path.open("a+b", buffering=0) as file:
            if self._torn and file.tell() and not _ends_a_line(file):
                data = b"\n" + data
            self._torn = True
            written = file.write(data)
        if written != len(data):
            raise OSError(f"only {written} of {len(data)} bytes fitted into {self._path}")
        self._torn = False


def _ends_a_line(file: BinaryIO) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"
