"""What is kept of a body: its text, or its size and sha256 where it is too large or no JSON. Pure functions."""

import hashlib
from typing import NamedTuple

import orjson

from hopyard.server.bodies import codec

MOST_BYTES = 64 * 1024

Given = bytes | tuple[int, str] | None
"""A body as it was on the wire, or (size, sha256) of one that was too large to pass on; None: not asked for."""


class Body(NamedTuple):
    """One direction of a call as it is kept. `text` is JSON, and empty where the body is not kept: `sha256` is there
    if it was too large or no JSON. `size` is always that on the wire, in bytes.
    """

    text: str
    size: int
    sha256: str = ""


NOTHING = Body("", 0)


def whole(raw: Given) -> Body:
    """A body as it came, if it is JSON of a size to keep."""
    if not raw:
        return NOTHING
    if isinstance(raw, tuple):
        return Body("", *raw)
    if len(raw) > MOST_BYTES:
        return digest(raw)
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError:
        if not _is_forgiven(raw):
            return digest(raw)
    return Body(raw.decode(), len(raw))


def _is_forgiven(raw: bytes) -> bool:
    """Whether a model would get it all the same: Python's clients write NaN."""
    try:
        codec.parse(raw)
    except codec.BadBody:
        return False
    return True


def digest(raw: bytes) -> Body:
    """A body of which only the size and the sha256 are kept."""
    return Body("", len(raw), hashlib.sha256(raw).hexdigest())
