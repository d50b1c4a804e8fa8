"""Follows one pickle from its first operation to STOP or to the break, over joblib's arrays if asked to."""

import io
from dataclasses import dataclass, field
from typing import Any

from worker.scanning import arrays
from worker.scanning.machine import Imported, Machine
from worker.scanning.opcodes import Broken, Operation, operations, skip, type_of_stream
from worker.scanning.steps import take

TORCH_MAGIC = 0x1950A86A20F9469CFC6C
MOST_BRIEF = 4 * 1024 * 1024


@dataclass
class Stream:
    """What one pickle does. `brief` is the same pickle without big values, or None if even that is big."""

    machine: Machine = field(default_factory=Machine)
    end: int = 0
    problem: str = ""
    is_whole: bool = False
    is_joblib: bool = False
    is_torch: bool = False
    operation_count: int = 0
    protocol: int = 0
    inner: "list[Stream]" = field(default_factory=list)
    brief: io.BytesIO | None = field(default_factory=io.BytesIO)

    @property
    def imports(self) -> dict[Imported, int]:
        found = dict(self.machine.imports)
        for each in self.inner:
            found |= each.imports
        return found


def follow(file: type_of_stream, *, over_arrays: bool = True, depth: int = 0) -> Stream:
    """Read the pickle that begins here; it ends at STOP or at its first fault, and both are known."""
    stream = Stream()
    kept = _Kept(file, stream)
    try:
        for operation in operations(file):
            stream.operation_count += 1
            take(stream.machine, operation)
            kept.take(operation)
            stream.is_whole = operation.name == "STOP"
            if operation.name == "PROTO":
                stream.protocol = max(stream.protocol, operation.argument)
            if operation.argument == TORCH_MAGIC:
                stream.is_torch = True
            if over_arrays and operation.name == "BUILD" and (described := arrays.wrapped(stream.machine)):
                stream.is_joblib = True
                kept.pause()
                _pass_array(file, stream, described, depth)
                kept.resume()
    except (Broken, arrays.Unreadable) as error:
        stream.problem = str(error)
        stream.is_whole = False
    stream.end = file.tell()
    kept.close()
    return stream


def _pass_array(file: type_of_stream, stream: Stream, described: dict[str, Any], depth: int) -> None:
    if arrays.holds_objects(described):
        if depth > 3:
            raise Broken("arrays of objects are nested too deeply")
        inner = follow(file, depth=depth + 1)
        stream.inner.append(inner)
        if not inner.is_whole:
            raise Broken(inner.problem)
        return
    if arrays.is_padded(described):
        skip(file, int.from_bytes(file.read(1), "little"))
    skip(file, arrays.byte_count(described))


class _Kept:
    """Copies the operations into the stream's `brief`, run by run, leaving out what is big."""

    def __init__(self, file: type_of_stream, stream: Stream) -> None:
        self.file, self.stream = file, stream
        self.start = self.end = file.tell()

    def take(self, operation: Operation) -> None:
        if operation.brief is not None:
            self._copy(operation.position)
            self._write(operation.brief)
            self.start = self.file.tell()
        self.end = self.file.tell()

    def pause(self) -> None:
        self._copy(self.file.tell())

    def resume(self) -> None:
        self.start = self.end = self.file.tell()

    def close(self) -> None:
        self._copy(self.end)

    def _copy(self, until: int) -> None:
        here = self.file.tell()
        if self.stream.brief is not None and until - self.start + self.stream.brief.tell() > MOST_BRIEF:
            self.stream.brief = None
        if self.stream.brief is not None:
            self.file.seek(self.start)
            self._write(self.file.read(until - self.start))
            self.file.seek(here)
        self.start = until

    def _write(self, data: bytes) -> None:
        if self.stream.brief is not None:
            self.stream.brief.write(data)
