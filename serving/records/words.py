"""The words of the filters of calls: how each is read from a text, and what it is about."""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils.dateparse import parse_date, parse_datetime

from serving.records import conditions
from serving.records.conditions import Condition
from serving.records.literals import NotUnderstood

PERIODS = {
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
}
ALL_TIMES = "all"
FAILED = "failed"
MOST_MS = 1e12
BIGGEST_REVISION = 2**31 - 1
FIRST_YEAR, LAST_YEAR = 1970, 2200
_CLASS = re.compile(r"[1-5]xx")
_EXACT = re.compile(r"[1-5]\d\d")


def plain(value: Any) -> str:
    """What was said as a text that the database can hold; raises ValueError with a sentence."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("Give it as a text or a number.")
    text = str(value).strip()
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("It holds half a character; write it in whole ones.") from None
    if "\0" in text:
        raise ValueError("It holds the character NUL, which no call has.")
    return text


def _period(text: str) -> str:
    if text != ALL_TIMES and text not in PERIODS:
        raise ValueError(f"“{text[:60]}” is no period; choose one of {', '.join(PERIODS)}, {ALL_TIMES}.")
    return text


def _since(text: str) -> datetime:
    return _moment(text, days=0)


def _until(text: str) -> datetime:
    return _moment(text, days=1)


def _moment(text: str, *, days: int) -> datetime:
    """A time, in UTC unless it says otherwise; a date alone is its midnight, `days` later."""
    wrong = f"“{text[:60]}” is no time; write it as 2026-11-21T14:30, in UTC, or as a date."
    try:
        day = parse_date(text)
        found = datetime(day.year, day.month, day.day, tzinfo=UTC) if day else parse_datetime(text)
    except ValueError:
        raise ValueError(wrong) from None
    if found is None or not FIRST_YEAR <= found.year < LAST_YEAR:
        raise ValueError(wrong)
    if day:
        return found + timedelta(days=days)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _status(text: str) -> str:
    lowered = text.lower()
    if lowered == FAILED or _CLASS.fullmatch(lowered) or (_EXACT.fullmatch(text) and text.isascii()):
        return lowered
    raise ValueError(f"“{text[:60]}” is no status; write one such as 503, a class such as 5xx, or {FAILED}.")


def _milliseconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 <= found <= MOST_MS:
        raise ValueError(f"“{text[:60]}” is no latency; write milliseconds, such as 250 or 0.5.")
    return found


def _revision(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 11 else 0
    if not 0 < number <= BIGGEST_REVISION:
        raise ValueError(f"“{text[:60]}” is no revision; write its number, 1 or above.")
    return number


def _where(text: str) -> tuple[Condition, ...]:
    try:
        return conditions.parse(text)
    except NotUnderstood as error:
        raise ValueError(str(error)) from None


READERS: dict[str, Callable[[str], Any]] = {
    "period": _period,
    "from": _since,
    "to": _until,
    "status": _status,
    "at_least_ms": _milliseconds,
    "at_most_ms": _milliseconds,
    "revision": _revision,
    "replica": str,
    "key": str,
    "request_id": str,
    "verb": str,
    "protocol": str,
    "where": _where,
}
DESCRIPTIONS = {
    "period": f"calls of the last {', '.join(PERIODS)}, or {ALL_TIMES}",
    "from": "calls since then, such as 2026-11-21T14:30 (UTC) or 2026-11-21; counts instead of `period`",
    "to": "calls before then; a date alone includes its day",
    "status": f"a status such as 503, a class such as 5xx, or `{FAILED}` for 400 and above",
    "at_least_ms": "calls that took so many milliseconds or more",
    "at_most_ms": "calls that took so many milliseconds or less",
    "revision": "number of the revision that answered",
    "replica": "name of the replica that answered",
    "key": "id of the API key it was asked with",
    "request_id": "id of the request",
    "verb": "operation, such as predict or infer",
    "protocol": "v1, v2, grpc or mlrun",
    "where": "conditions on values, such as `in.sepal_length > 5 and out = setosa`; operators = != > >= < <= and ~ "
    "(contains). All must hold; a text of several words, or one after > >= < <=, stands in single or double quotes. A "
    "call fits if one of its rows does",
}
