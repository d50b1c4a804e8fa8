"""Reads a pickle's operations one by one, without running them and without holding big strings in memory."""

import pickletools
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from typing import Any, BinaryIO

LONGEST_KEPT = 4096
LONGEST_LINE = 1024 * 1024
MOST_OPERATIONS = 20_000_000
PIECE = 1024 * 1024

# What the brief says in place of operations that not every library knows; the values are all the same to them.
SAID_OTHERWISE = {
    "FLOAT": b"G" + bytes(8),
    "LONG4": b"K\0",
    "BYTEARRAY8": b"B" + bytes(4),
    "NEXT_BUFFER": b"N",
    "READONLY_BUFFER": b"",
}
# The operations whose payload may be big, with the bytes of the length that stands before it.
PAYLOADS = {b"B": 4, b"\x8e": 8, b"\x96": 8, b"X": 4, b"\x8d": 8, b"T": 4, b"\x8b": 4}
BY_CODE = {info.code.encode("latin-1"): info for info in pickletools.opcodes}

type_of_stream = BufferedIOBase | BinaryIO


class Broken(ValueError):
    """A real unpickler would stop here, having done all that stands before."""


class TooLong(Exception):
    """There is more than we are willing to read."""


@dataclass(frozen=True, slots=True)
class Operation:
    """`argument` is None for a payload that was skipped; `brief` is the operation with such a payload left out."""

    name: str
    argument: Any
    position: int
    brief: bytes | None


class Lines:
    """A stream for pickletools' readers that gives no endless line."""

    def __init__(self, file: type_of_stream) -> None:
        self.read = file.read
        self._readline = file.readline

    def readline(self) -> bytes:
        line = self._readline(LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise ValueError("a line does not end")
        return line


def operations(file: type_of_stream) -> Iterator[Operation]:
    """The operations from here to STOP; raises Broken where the stream is none, TooLong past our patience."""
    lines: Any = Lines(file)
    for _ in range(MOST_OPERATIONS):
        position = file.tell()
        code = file.read(1)
        info = BY_CODE.get(code)
        if info is None:
            raise Broken("it ends without STOP" if not code else f"byte {code!r} is no operation")
        try:
            if code in PAYLOADS:
                yield _with_payload(file, code, position)
                continue
            argument = None if info.arg is None else info.arg.reader(lines)
        except (ValueError, UnicodeError, OverflowError) as error:
            raise Broken(f"the argument of {info.name} is not readable ({error})") from None
        yield Operation(info.name, argument, position, SAID_OTHERWISE.get(info.name))
        if info.name == "STOP":
            return
    raise TooLong(f"It has more than {MOST_OPERATIONS} operations.")


def skip(file: type_of_stream, count: int) -> None:
    """Pass over `count` bytes; raises Broken if there are fewer."""
    while count > 0:
        piece = file.read(min(count, PIECE))
        if not piece:
            raise Broken("it ends in the middle of a value")
        count -= len(piece)


def _with_payload(file: type_of_stream, code: bytes, position: int) -> Operation:
    info, width = BY_CODE[code], PAYLOADS[code]
    head = file.read(width)
    length = int.from_bytes(head, "little", signed=code in {b"T", b"\x8b"})
    if len(head) < width or length < 0:
        raise Broken(f"the length of {info.name} is not readable")
    if length > LONGEST_KEPT:
        skip(file, length)
        return Operation(info.name, None, position, SAID_OTHERWISE.get(info.name, code + bytes(width)))
    data = file.read(length)
    if len(data) < length:
        raise Broken("it ends in the middle of a value")
    return Operation(info.name, _value(info.name, data), position, SAID_OTHERWISE.get(info.name))


def _value(name: str, data: bytes) -> Any:
    if name in {"BINUNICODE", "BINUNICODE8"}:
        return data.decode("utf-8", "surrogatepass")
    if name == "BINSTRING":
        return data.decode("latin-1")
    return int.from_bytes(data, "little", signed=True) if name == "LONG4" else data
