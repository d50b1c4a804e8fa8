"""What stops a server from serving: a code, a sentence for the user, and the user's own traceback."""

import re
import sysconfig
import traceback
from pathlib import Path

EVIDENCE_CHARS = 8 * 1024
_CLASS = re.compile(r"[A-Za-z_]\w*(?:Error|Exception)(?=: |$)")
"""What a line about an error may begin with: the name of its class."""
_OURS = str(Path(__file__).parent)
_STDLIB = sysconfig.get_path("stdlib")


class Failure(Exception):
    """A fatal failure. `code` is one word, `reason` one sentence, `evidence` text to read."""

    def __init__(self, code: str, reason: str, evidence: str = "") -> None:
        self.code = code
        self.reason = writable(reason)
        self.evidence = writable(evidence)
        super().__init__(f"{code}: {self.reason}")


def writable(text: str) -> str:
    """Return text that JSON and PostgreSQL can hold: without lone surrogates and NUL."""
    return text.encode(errors="replace").decode().replace("\0", "\ufffd")


def trimmed_traceback(error: BaseException) -> str:
    """Format an error of user code without the frames of this server and of the import system."""
    try:
        report = traceback.TracebackException.from_exception(error, max_group_width=5)
        _trim(report)
        return _shortened("".join(report.format()))
    except BaseException:  # formatting runs code of the error's own class
        return one_line(error)


def whole_traceback(error: BaseException) -> str:
    """Format an error of this server itself."""
    return _shortened("".join(traceback.format_exception(error)))


def _shortened(text: str) -> str:
    text = text.strip()
    if len(text) <= EVIDENCE_CHARS:
        return text
    head, tail = EVIDENCE_CHARS // 4, EVIDENCE_CHARS * 3 // 4 - 10
    return f"{text[:head]}\n[...]\n{text[-tail:]}"


def one_line(error: BaseException) -> str:
    """`ValueError: what it said`, short enough for a status line and always writable."""
    try:
        said = writable(str(error).strip())
    except BaseException:  # the error's own __str__ may fail in any way
        said = ""
    text = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return text if len(text) <= 2000 else f"{text[:2000]}..."


def without_text(line: str, why: str) -> str:
    """What is left of such a line whose text is not told: the name of its class, if it has one, and why."""
    found = _CLASS.match(line)
    return f"{found[0]}: {why}" if found else why


def place_of(error: BaseException) -> tuple[str, int] | None:
    """Name of the file and line where an error last came through code that its author wrote; None where nowhere."""
    frames = [
        (Path(frame.f_code.co_filename).name, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if _is_authored(frame.f_code.co_filename)
    ]
    return frames[-1] if frames else None


def _trim(report: traceback.TracebackException) -> None:
    """Not by recursion: errors raised while handling errors make long chains."""
    seen: set[int] = set()
    waiting: list[traceback.TracebackException | None] = [report]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        kept = [frame for frame in each.stack if not _is_ours(frame.filename)]
        each.stack = traceback.StackSummary.from_list(kept)
        waiting += (each.__cause__, each.__context__, *(each.exceptions or ()))


def _is_ours(filename: str) -> bool:
    return filename.startswith((_OURS, "<frozen importlib"))


def _is_authored(filename: str) -> bool:
    return not filename.startswith((_OURS, _STDLIB, "<")) and "site-packages" not in filename
