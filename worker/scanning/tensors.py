"""Looks at formats that hold nothing but numbers: NumPy, safetensors, ONNX."""

import ast
import json
from collections.abc import Iterator
from io import SEEK_END
from typing import Any, BinaryIO

from worker.scanning import pickles
from worker.scanning.findings import Nature, Report

LONGEST_HEADER = 100 * 1024 * 1024
LONGEST_NUMPY_HEADER = 64 * 1024


def scan_numpy(file: BinaryIO) -> Report:
    """A `.npy` file: a header, then numbers, or a pickle where the array is one of objects."""
    report = Report("NumPy array", Nature.SAFE)
    file.seek(6)
    major = file.read(2)[:1]
    width = 2 if major == b"\x01" else 4
    length = int.from_bytes(file.read(width), "little")
    try:
        if length > LONGEST_NUMPY_HEADER:
            raise ValueError("the header is too long")
        header = ast.literal_eval(file.read(length).decode("latin-1").strip())
        is_pickled = _has_objects(header["descr"])
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError) as error:
        report.suspect("The header of this NumPy file cannot be read.", str(error))
        is_pickled = True
    if is_pickled:
        part = pickles.scan(file, "NumPy array of objects", file.tell())
        part.include(report)
        return part
    return report


def _has_objects(described: Any, depth: int = 0) -> bool:
    if isinstance(described, str):
        return described.lstrip("<>|=").startswith("O")
    if isinstance(described, tuple):
        return _has_objects(described[0] if len(described) == 2 else described[1], depth + 1)
    if isinstance(described, list) and depth < 16:
        return any(_has_objects(each[1], depth + 1) for each in described)
    raise ValueError("its type is not readable")


def safetensors(file: BinaryIO) -> Report | None:
    """The report of a safetensors file, or None if it is none: a length, a JSON header, then every tensor's bytes."""
    size = file.seek(0, SEEK_END)
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= min(LONGEST_HEADER, size - 8) or file.read(1) != b"{":
        return None
    file.seek(8)
    try:
        header = json.loads(file.read(length))
        ends = [each["data_offsets"][1] for name, each in header.items() if name != "__metadata__"]
        end = max(ends, default=0)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        return None
    report = Report("safetensors", Nature.SAFE)
    if not isinstance(end, int) or 8 + length + end != size:
        report.suspect("Its header does not account for all of its bytes.")
        pickles.look_for_hidden(report, file, 8 + length + (end if isinstance(end, int) else 0))
    return report


def onnx(file: BinaryIO) -> Report | None:
    """The report of an ONNX model, or None if it is none: a protobuf message with a version and a graph."""
    size = file.seek(0, SEEK_END)
    fields = dict(_fields(file, size))
    known = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2}
    if not fields or any(known.get(number) != kind for number, kind in fields.items()):
        return None
    if not {1, 7, 8} <= fields.keys():
        return None
    return Report("ONNX", Nature.SAFE)


def _fields(file: BinaryIO, size: int) -> Iterator[tuple[int, int]]:
    """The top-level fields of a protobuf message, as (number, wire type); a wrong one ends it with (0, 0)."""
    file.seek(0)
    while file.tell() < size:
        tag = _varint(file)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            is_right = _varint(file) >= 0
        else:
            length = _varint(file) if kind == 2 else -1
            is_right = 0 <= length <= size - file.tell()
            file.seek(max(length, 0) if is_right else 0, 1)
        if not is_right or number == 0:
            yield 0, 0
            return
        yield number, kind


def _varint(file: BinaryIO) -> int:
    """The next number, or -1 where there is none."""
    value = 0
    for place in range(10):
        byte = file.read(1)
        if not byte:
            return -1
        value |= (byte[0] & 0x7F) << (7 * place)
        if byte[0] < 0x80:
            return value
    return -1
