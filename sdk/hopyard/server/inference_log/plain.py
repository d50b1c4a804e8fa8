"""The shortest way from a usual record to its Avro value of version 5: JSON bodies, no rules, no error.

It gives what `encoding` gives, byte by byte, and None for any record that is not as usual. Almost all records take this
way, and what it costs is taken from the same machine that predicts.
"""

import struct
from collections.abc import Callable

import orjson

from hopyard.server.inference_log import encoding
from hopyard.server.inference_log.bodies import MOST_BYTES
from hopyard.server.inference_log.records import Record

_pack = struct.Struct("<5d").pack
_loads = orjson.loads
_BAD = orjson.JSONDecodeError
LONG_AGO = 1e6  # seconds of the epoch, before which a time has fewer bytes
_TWO_BYTES = 14  # bits of a number that its first two bytes hold


def encoder(origin: encoding.Origin) -> Callable[[Record], bytes | None]:
    """What writes the usual records of one replica."""
    shared = encoding.shared(origin)
    long, word = encoding.long, encoding.word
    high: dict[int, bytes] = {}  # how times go on after their first two bytes: one every eight seconds

    def time(milliseconds: int) -> bytes:
        number = milliseconds << 1
        rest = number >> _TWO_BYTES
        if rest not in high:
            high.clear()
            high[rest] = encoding.varint(rest)
        return bytes((number & 0x7F | 0x80, number >> 7 & 0x7F | 0x80)) + high[rest]

    def encode(record: Record) -> bytes | None:
        (
            at,
            status,
            name,
            protocol,
            verb,
            seconds,
            queue,
            before,
            predict,
            after,
            asked,
            given,
            error,
            key,
            _,
        ) = record
        asked, given = b"" if asked is None else asked, b"" if given is None else given
        if (
            error
            or type(asked) is not bytes
            or type(given) is not bytes
            or not name.isascii()
            or b"\0" in name
        ):
            return None
        asked_size, given_size = len(asked), len(given)
        if asked_size > MOST_BYTES or given_size > MOST_BYTES or at < LONG_AGO:
            return None
        try:
            if asked:
                _loads(asked)
            if given:
                _loads(given)
        except _BAD:
            return None
        milliseconds, microseconds = divmod(round(at * 1_000_000), 1000)
        asked_length, given_length = long(asked_size), long(given_size)
        return b"".join(
            (
                shared,
                time(milliseconds),
                long(microseconds),
                long(status),
                long(len(name)),
                name,
                word(protocol),
                word(verb),
                _pack(seconds, queue, before, predict, after),
                asked_length,
                asked,
                asked_length,
                b"\0",
                given_length,
                given,
                given_length,
                b"\0\0",
                word(key or ""),
            )
        )

    return encode
