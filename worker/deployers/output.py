"""What the output of a replica in a container says: its lines with their times, and what it reports of itself."""

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from worker.deployers import directories

LARGEST_REPORT = 1024 * 1024
MARK = "::hopyard-report::"
REPORT = re.compile(MARK + r" (?:([0-9]{1,6})/([0-9]{1,6}) )?([A-Za-z0-9+/=]*)\s*$")
AT_A_TIME = re.compile(r"(?:[0-9-]{10}T[0-9:.]+Z ?)?")
TIMED = re.compile(r"([0-9-]{10}T[0-9:]{8})(?:\.([0-9]{1,9}))?Z ?(.*)", re.DOTALL)


def timed_lines(output: bytes) -> list[str]:
    """The lines of an engine's log, each beginning with its time in UTC to the millisecond."""
    lines = []
    for line in output.decode(errors="replace").replace("\0", "").split("\n"):
        if found := TIMED.match(line):
            lines.append(f"{found[1]}.{(found[2] or '').ljust(3, '0')[:3]}Z {found[3]}".rstrip("\r"))
    return lines


def since(lines: Iterable[str], moment: datetime | None) -> list[str]:
    """Those of `timed_lines` that are not older than `moment`."""
    if moment is None:
        return list(lines)
    start = moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return [line for line in lines if line >= start]


def read_report(lines: Sequence[str]) -> Mapping[str, Any] | None:
    """The last whole report among lines, which may begin with a time; anything else counts as nothing.

    A replica's own code may write such lines too: it can lie about itself, and about nothing else.
    """
    last: dict[str, Any] = {}
    parts: list[str] = []
    for line in lines:
        found = REPORT.search(line) if MARK in line else None
        if found is None:
            continue
        number, of = int(found[1] or 1), int(found[2] or 1)
        before = parts if number > 1 else []
        parts = [*before, found[3]] if number == len(before) + 1 else []
        if parts and number == of:
            last = _document(parts) or last
    return last or None


def _document(parts: list[str]) -> dict[str, Any]:
    if sum(map(len, parts)) > 2 * LARGEST_REPORT:
        return {}
    try:
        return directories.parsed(base64.b64decode("".join(parts), validate=True))
    except ValueError:
        return {}


def without_reports(lines: Iterable[str]) -> list[str]:
    """What the script wrote, also of a line that it left unfinished before a report."""
    own = []
    for line in lines:
        rest = before_report(line)
        if rest == line or not AT_A_TIME.fullmatch(rest):
            own.append(rest)
    return own


def before_report(line: str) -> str:
    """A line without the report that it ends with, if it does: another program may have begun the line."""
    found = REPORT.search(line) if MARK in line else None
    return line[: found.start()] if found else line
