"""Times as people and programs give them: with a zone, or as so long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from hopyard.client.errors import InvalidArgument

AGO = re.compile(r"([0-9]{1,6})([smhd])")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def moment(given: datetime | str | None) -> str | None:
    """A time as the API takes it. Raises InvalidArgument for what is no time, or has no zone."""
    found = _read(given) if isinstance(given, str) else given
    if found is not None and found.tzinfo is None:
        raise InvalidArgument(f"The time {given!s} has no zone; add Z for UTC.")
    return found.isoformat() if found else None


def of_records(given: datetime | str | None) -> str | None:
    """A time as the filters of records take it: a text without a zone is UTC there, and may be a date alone, so that it
    goes as it is. Raises InvalidArgument for what is no time, and for a datetime without a zone.
    """
    if isinstance(given, str) and _read(given).tzinfo is None:
        return given
    return moment(given)


def since(text: str, now: datetime) -> str:
    """`15m` as the time that was so long before `now`, and a time as it is."""
    if not (found := AGO.fullmatch(text)):
        return text
    try:
        return (now.astimezone(UTC) - timedelta(seconds=int(found[1]) * SECONDS[found[2]])).isoformat()
    except OverflowError:
        raise InvalidArgument(f"{text} ago is before all times; give a shorter one.") from None


def _read(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InvalidArgument(f"{text!r} is no time; write one such as 2026-11-21T10:00:00Z.") from None
