"""What changed between two sets of files, packages, values and texts; pure functions without I/O."""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

LONGEST_TEXT = 200 * 1024
MOST_LINES = 3_000
MOST_SHOWN = 2_000
CONTEXT = 3
HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")


class State(StrEnum):
    SAME = "same"
    CHANGED = "changed"
    ADDED = "added"
    REMOVED = "removed"


@dataclass(frozen=True)
class Change:
    """A named value before and after; None where there is none."""

    name: str
    state: State
    before: Any
    after: Any

    @property
    def difference(self) -> float | None:
        """After minus before, where both are numbers."""
        sides = (self.before, self.after)
        if any(isinstance(side, bool) or not isinstance(side, int | float) for side in sides):
            return None
        return float(f"{self.after - self.before:.6g}")

    @property
    def difference_text(self) -> str:
        """With its sign; empty where there is none."""
        found = self.difference
        return "" if found is None else f"{found:+.6g}" if found else "0"


@dataclass(frozen=True)
class FileFacts:
    """Size in bytes and sha256 of a file's bytes."""

    size: int
    sha256: str


@dataclass(frozen=True)
class FileChange:
    path: str
    state: State
    before: FileFacts | None
    after: FileFacts | None


@dataclass(frozen=True)
class Line:
    """A line of a diff with its number on each side; a gap begins a new place in the text."""

    kind: State
    before: int | None
    after: int | None
    text: str
    is_gap: bool = False


@dataclass(frozen=True)
class TextDiff:
    """A unified diff; `reason` says why there are no lines, or fewer than there would be."""

    lines: tuple[Line, ...] = ()
    added: int = 0
    removed: int = 0
    reason: str = ""

    @property
    def unified(self) -> str:
        return "".join(f"{_MARKS[line.kind] if not line.is_gap else ''}{line.text}\n" for line in self.lines)


_MARKS = {State.SAME: " ", State.ADDED: "+", State.REMOVED: "-"}


def values(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Change]:
    """Every name of either side, in order."""
    return [Change(name, _state(name, a, b), a.get(name), b.get(name)) for name in sorted({*a, *b})]


def packages(a: Mapping[str, str], b: Mapping[str, str]) -> list[Change]:
    """The distributions that were added, removed or changed; `scikit_learn` is `scikit-learn` (PEP 503)."""
    before, after = _by_normal_name(a), _by_normal_name(b)
    return [change for change in values(before, after) if change.state != State.SAME]


def files(a: Iterable[tuple[str, int, str]], b: Iterable[tuple[str, int, str]]) -> list[FileChange]:
    """Every file of either side, of (path, size, sha256); what changed comes first."""
    before = {path: FileFacts(size, sha256) for path, size, sha256 in a}
    after = {path: FileFacts(size, sha256) for path, size, sha256 in b}
    found = [
        FileChange(path, _state(path, before, after), before.get(path), after.get(path))
        for path in sorted({*before, *after})
    ]
    return sorted(found, key=lambda each: each.state == State.SAME)


def text(a: str, b: str) -> TextDiff:
    """The lines that differ, with three lines around them."""
    before, after = a.splitlines(), b.splitlines()
    if max(len(before), len(after)) > MOST_LINES:
        return TextDiff(reason=f"It has more than {MOST_LINES} lines; download both to compare them.")
    lines = _lines(difflib.unified_diff(before, after, n=CONTEXT, lineterm=""))
    if not lines:
        return TextDiff(reason="Only line endings differ." if a != b else "")
    return TextDiff(
        lines=tuple(lines[:MOST_SHOWN]),
        added=sum(line.kind == State.ADDED for line in lines),
        removed=sum(line.kind == State.REMOVED for line in lines),
        reason=f"The first {MOST_SHOWN} lines of the difference are shown."
        if len(lines) > MOST_SHOWN
        else "",
    )


def decoded(data: bytes) -> str | None:
    """The bytes as text, or None if they are too many or no plain UTF-8 text."""
    if len(data) > LONGEST_TEXT or b"\0" in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _state(name: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> State:
    if name not in a:
        return State.ADDED
    if name not in b:
        return State.REMOVED
    return State.SAME if a[name] == b[name] else State.CHANGED


def _by_normal_name(distributions: Mapping[str, str]) -> dict[str, str]:
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in distributions.items()}


def _lines(unified: Iterable[str]) -> list[Line]:
    """The lines of a unified diff, numbered; the two lines that name the files are left out."""
    lines: list[Line] = []
    before = after = 0
    for number, line in enumerate(unified):
        if number < 2:
            continue
        if hunk := HUNK.fullmatch(line):
            before, after = int(hunk[1]), int(hunk[2])
            lines.append(Line(State.SAME, None, None, line, is_gap=True))
        elif line.startswith("-"):
            lines.append(Line(State.REMOVED, before, None, line[1:]))
            before += 1
        elif line.startswith("+"):
            lines.append(Line(State.ADDED, None, after, line[1:]))
            after += 1
        else:
            lines.append(Line(State.SAME, before, after, line[1:]))
            before, after = before + 1, after + 1
    return lines
