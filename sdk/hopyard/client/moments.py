"""Times as people and programs give them: with a zone, or as so long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from hopyard.client.errors import InvalidArgument

AGO = re.compile(r"([0-9]{1,6})([smhd])")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def moment(given: datetime | str | None) -> str | None:
    """A time as the API takes it. Raises InvalidArgument for what is no time, or has no zone."""
    try:
        found = datetime.fromisoformat(given) if isinstance(given, str) else given
    except ValueError:
        raise InvalidArgument(f"{given!r} is no time; write one such as 2026-11-21T10:00:00Z.") from None
    if found is not None and found.tzinfo is None:
        raise InvalidArgument(f"The time {given!s} has no zone; add Z for UTC.")
    return found.isoformat() if found else None


def since(text: str, now: datetime) -> str:
    """`15m` as the time that was so long before `now`, and a time as it is."""
    if not (found := AGO.fullmatch(text)):
        return text
    return (now.astimezone(UTC) - timedelta(seconds=int(found[1]) * SECONDS[found[2]])).isoformat()
