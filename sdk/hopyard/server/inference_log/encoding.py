"""A record as the Avro value of its topic: bare binary in one of the versions of the subject `inferenceschema`.

Written by hand, after the Avro specification ("Binary Encoding"): all that a replica's records share is encoded once,
and nothing of a general library has to be loaded.
"""

import functools
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass

from hopyard.server.failures import writable
from hopyard.server.inference_log import records
from hopyard.server.inference_log.bodies import Body
from hopyard.server.inference_log.records import Record

NEWEST = 5
MODEL_SERVER = "PYTHON"
SERVING_TOOL = "DEFAULT"
_SECONDS = struct.Struct("<5d")


@dataclass(frozen=True, slots=True)
class Told:
    """A record and what may be told of it."""

    record: Record
    inputs: Body
    outputs: Body
    error: str | None


@dataclass(frozen=True, slots=True)
class Origin:
    """What all records of one replica share."""

    serving_id: int
    serving: str
    model_version: int
    project: str
    revision: int
    replica: str
    model: str
    artifact_version: str
    logging_mode: str
    sampling_percent: float


def encoder(version: int, origin: Origin) -> Callable[[Told], bytes]:
    """What writes records in that version of the schema."""
    if version == NEWEST:
        return functools.partial(_newest, shared(origin))
    model = _model(origin)
    ends = {1: b"", 2: string(MODEL_SERVER), 3: string(MODEL_SERVER) + string(SERVING_TOOL)}
    return functools.partial(_as_hopsworks, model, ends[version])


def long(number: int) -> bytes:
    """Avro's int and long: zigzag, seven bits a byte, the lowest first."""
    if 0 <= number < len(_SMALL):
        return _SMALL[number]
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)


def string(text: str) -> bytes:
    return _text(writable(text))


def _identity(raw: bytes) -> bytes:
    """A request id, which is plain as a rule."""
    if raw.isascii() and b"\0" not in raw:
        return long(len(raw)) + raw
    return string(raw.decode(errors="replace"))


def _text(text: str) -> bytes:
    """A string that has to be kept as it is, as far as UTF-8 can."""
    utf8 = text.encode(errors="replace")
    return long(len(utf8)) + utf8


def _in_one(body: Body) -> bytes:
    """A body where there is one field for it: its text, or its size and digest as JSON."""
    return _text(json.dumps({"size": body.size, "sha256": body.sha256}) if body.sha256 else body.text)


def _newest(shared: bytes, told: Told) -> bytes:
    record, inputs, outputs = told.record, told.inputs, told.outputs
    milliseconds, microseconds = divmod(round(record[records.REQUESTED_AT] * 1_000_000), 1000)
    return b"".join(
        (
            shared,
            long(milliseconds),
            long(microseconds),
            long(record[records.STATUS]),
            _identity(record[records.REQUEST_ID]),
            word(record[records.PROTOCOL]),
            word(record[records.VERB]),
            _SECONDS.pack(*record[records.SECONDS : records.INPUTS]),
            _text(inputs.text),
            long(inputs.size),
            _text(inputs.sha256),
            _text(outputs.text),
            long(outputs.size),
            _text(outputs.sha256),
            string(told.error) if told.error else b"\0",
            word(record[records.KEY_ID] or ""),
        )
    )


def _as_hopsworks(model: bytes, end: bytes, told: Told) -> bytes:
    record = told.record
    return b"".join(
        (
            model,
            long(round(record[records.REQUESTED_AT] * 1_000_000) // 1000),
            long(record[records.STATUS]),
            _in_one(told.inputs),
            _in_one(told.outputs),
            end,
        )
    )


def shared(origin: Origin) -> bytes:
    """What a replica's records of version 5 begin with, all of them."""
    texts = (origin.replica, origin.model, origin.artifact_version, origin.logging_mode)
    sampling = struct.pack("<d", origin.sampling_percent)
    of_replica = string(origin.project) + long(origin.revision) + b"".join(map(string, texts)) + sampling
    return _model(origin) + string(MODEL_SERVER) + string(SERVING_TOOL) + of_replica


def _model(origin: Origin) -> bytes:
    return long(origin.serving_id) + string(origin.serving) + long(origin.model_version)


def varint(number: int) -> bytes:
    if number >= 1 << 64:
        raise ValueError(f"{number >> 1} is too large for a long")
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


_SMALL = tuple(varint(number << 1) for number in range(4096))
word = functools.lru_cache(maxsize=512)(string)
