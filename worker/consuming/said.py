"""What a message says of a call, checked and brought into the bounds of the database."""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from serving.texts import storable

LAST_MILLISECOND = 253_402_300_799_999  # of the year 9999, the last that a date can have
DAY = timedelta(days=1)
EPOCH = datetime.fromtimestamp(0, UTC)
LARGEST_BODY = 1024 * 1024  # characters; of a longer one the size and the digest are kept
LARGEST_ERROR = 8 * 1024
MOST_SECONDS = 10 * 365 * 86_400
LARGEST_INT = 2**31 - 1
LARGEST_LONG = 2**63 - 1
SECOND_US = 1_000_000


class Unusable(Exception):
    """The message is no record; the text says why, to follow on "This message cannot be used: "."""


class Body(NamedTuple):
    """A body, or where it is empty the size and digest of what was not kept."""

    text: str = ""
    bytes: int = 0
    sha256: str = ""


class Said(NamedTuple):
    """One call; `serving` is the number that the writer says, None where it names `function` instead, MLRun's name
    of a serving, or nothing.
    """

    serving: int | None
    request_id: str
    requested_at: datetime
    status: int
    inputs: Body
    outputs: Body
    function: str = ""
    revision: int = 0
    replica: str = ""
    model_version: int = 0
    protocol: str = ""
    verb: str = ""
    duration_us: int = 0
    queue_us: int | None = None
    preprocess_us: int | None = None
    predict_us: int | None = None
    postprocess_us: int | None = None
    error: str = ""
    key_id: str = ""
    sampling_percent: float = 100.0


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a message was found: its `place` names the records that bring no name of their own."""

    topic: str
    partition: str
    offset: int
    now: datetime

    def request_id(self, row: int | None = None) -> str:
        name = f"{self.topic}-{self.partition}-{self.offset}" + ("" if row is None else f"-{row}")
        if len(name) <= 128:
            return name
        return f"{hashlib.sha256(name.encode()).hexdigest()[:32]}-{self.offset}"


def text(value: Any, most: int) -> str:
    """As the database takes it: no NUL, no half a character, not too long."""
    if not isinstance(value, str):
        raise Unusable(f"{_shown(value)} stands where a text belongs")
    if len(value) <= most and value.isascii() and "\0" not in value:
        return value
    return storable(value[:most])


def whole(name: str, value: Any, *, least: int = 0, most: int = LARGEST_INT) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise Unusable(f"its {name} is {_shown(value)}, which is no whole number from {least} to {most}")
    return value


def status(value: Any) -> int:
    if not isinstance(value, int) or not 100 <= value <= 599:
        raise Unusable(f"its status is {_shown(value)}, which is none of HTTP's")
    return value


def moment(milliseconds: Any, micros: Any, now: datetime) -> datetime:
    """From epoch milliseconds and the microseconds beyond."""
    if not isinstance(milliseconds, int) or not 0 <= milliseconds <= LAST_MILLISECOND:
        raise Unusable(f"its time is {_shown(milliseconds)}, which is no time in epoch milliseconds")
    beyond = whole("microseconds", micros, most=999)
    return not_ahead(EPOCH + timedelta(milliseconds=milliseconds, microseconds=beyond), now)


def not_ahead(found: datetime, now: datetime) -> datetime:
    if found > now + DAY:
        raise Unusable(f"its time, {found:%Y-%m-%d %H:%M}, has not come yet")
    return found


def micros(name: str, seconds: Any) -> int | None:
    """Of a duration in seconds; None of one that is not known, which is below 0."""
    if not isinstance(seconds, float | int) or not math.isfinite(seconds) or seconds > MOST_SECONDS:
        raise Unusable(f"its {name} is {_shown(seconds)}, which is no duration in seconds")
    return None if seconds < 0 else round(seconds * SECOND_US)


def percent(value: Any) -> float:
    if not isinstance(value, float | int) or not 0 < value <= 100:
        raise Unusable(f"its share of recorded calls is {_shown(value)}, which is no percentage")
    return float(value)


def body(said: str, size: int | None = None, sha256: str = "") -> Body:
    """`size` and `sha256` as the writer says; without them a text may be {"size", "sha256"} of what it was."""
    if size is None:
        told = _told(said)
        if told is not None:
            return told
        size = len(said.encode(errors="replace"))
    if len(said) > LARGEST_BODY:
        said, sha256 = "", sha256 or hashlib.sha256(said.encode(errors="replace")).hexdigest()
    return Body(text(said, LARGEST_BODY), whole("size", size, most=LARGEST_LONG), text(sha256, 64))


def _told(said: str) -> Body | None:
    """What stands for a body that was not kept."""
    if not (said.startswith('{"s') and len(said) < 200):
        return None
    try:
        found = json.loads(said)
    except ValueError:
        return None
    if not isinstance(found, dict) or found.keys() != {"size", "sha256"}:
        return None
    return Body("", whole("size", found["size"], most=LARGEST_LONG), text(found["sha256"], 64))


def _shown(value: Any) -> str:
    found = (
        f"{value:.6g}" if isinstance(value, float) else f"{value!r:.40}" if _is_short(value) else "too large"
    )
    return storable(found)


def _is_short(value: Any) -> bool:
    return not isinstance(value, int) or abs(value) < 1 << 200


Reader = Callable[[bytes, Origin], list[Said]]
