"""What stops a server from serving: a code, a sentence for the user, and the user's own traceback."""

import traceback
from pathlib import Path

EVIDENCE_CHARS = 8 * 1024
_OURS = str(Path(__file__).parent)


class Failure(Exception):
    """A fatal failure. `code` is one word, `reason` one sentence, `evidence` text to read."""

    def __init__(self, code: str, reason: str, evidence: str = "") -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason
        self.evidence = evidence


def trimmed_traceback(error: BaseException) -> str:
    """Format an error of user code without the frames of this server and of the import system."""
    report = traceback.TracebackException.from_exception(error, max_group_width=5)
    seen: set[int] = set()
    _trim(report, seen)
    text = "".join(report.format()).strip()
    if len(text) <= EVIDENCE_CHARS:
        return text
    head, tail = EVIDENCE_CHARS // 4, EVIDENCE_CHARS * 3 // 4 - 10
    return f"{text[:head]}\n[...]\n{text[-tail:]}"


def one_line(error: BaseException) -> str:
    """`ValueError: what it said`, short enough for a status line."""
    said = str(error).strip()
    text = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return text if len(text) <= 2000 else f"{text[:2000]}..."


def _trim(report: traceback.TracebackException | None, seen: set[int]) -> None:
    if report is None or id(report) in seen:
        return
    seen.add(id(report))
    kept = [frame for frame in report.stack if not _is_ours(frame.filename)]
    report.stack = traceback.StackSummary.from_list(kept)
    for nested in (report.__cause__, report.__context__, *(report.exceptions or ())):
        _trim(nested, seen)


def _is_ours(filename: str) -> bool:
    return filename.startswith((_OURS, "<frozen importlib"))
