"""The report of a file that is a pickle, or several, or hides one."""

import re
from io import SEEK_END
from typing import BinaryIO

from worker.scanning import second_opinions
from worker.scanning.findings import Nature, Report, Severity
from worker.scanning.machine import Imported
from worker.scanning.names import Judgement, judge
from worker.scanning.opcodes import TooLong
from worker.scanning.streams import Stream, follow

HIDDEN = re.compile(rb"\x80[\x00-\x05](?=[\x00-\xff])|[ci][A-Za-z_][\w.]{0,60}\n[A-Za-z_][\w.]{0,60}\n")
MOST_STREAMS = 1_000
MOST_CANDIDATES = 20_000
MOST_SEARCHED = 2 * 1024**3
PIECE = 4 * 1024 * 1024
OVERLAP = 256

DESCRIBED = {
    Judgement.DANGEROUS: "Loading it reaches for {}, which can run programs, read files or load other code.",
    Judgement.UNEXPECTED: "Loading it imports {}, of which nothing is known here; look at what it does.",
}


def is_pickle(file: BinaryIO) -> bool:
    """Whether a file without a telling beginning is a pickle: it has PROTO, or it imports and comes to an end."""
    file.seek(0)
    head = file.read(2)
    if head[:1] == b"\x80" and head[1:] <= b"\x05":
        return True
    stream = _quick(file, 0)
    if stream is None:
        return False
    return _does_harm(stream) or (stream.is_whole and (bool(stream.imports) or _is_at_end(file)))


def scan(file: BinaryIO, kind: str = "pickle", start: int = 0) -> Report:
    """The report of a file that is a pickle from `start` on; all pickles that follow it are looked at."""
    report = Report(kind, Nature.CODE)
    file.seek(start)
    position, count, is_torch = start, 0, False
    try:
        while count < MOST_STREAMS:
            stream = follow(file)
            if count and not stream.is_whole and not stream.imports:
                break
            is_torch = is_torch or stream.is_torch
            _judge_stream(report, stream, file, position)
            position, count = stream.end, count + 1
            if not stream.is_whole or _is_at_end(file, position):
                break
        _look_at_rest(report, file, position, is_torch=is_torch)
    except TooLong as error:
        report.suspect(f"{error} It was not looked at to the end.")
    report.kind = _more_exactly(report, is_torch=is_torch)
    return report


def look_for_hidden(report: Report, file: BinaryIO, start: int = 0) -> None:
    """Add what pickles in the middle of other bytes would import."""
    for position in _candidates(report, file, start):
        stream = _quick(file, position)
        if stream is None or not stream.imports:
            continue
        if stream.is_whole or _does_harm(stream):
            report.suspect(f"A pickle is hidden at byte {position}.", _listed(stream.imports))
            _name_imports(report, stream)


def check_other_reading(report: Report, file: BinaryIO) -> None:
    """Add what happens if somebody unpickles this file although it is of another kind."""
    stream = _quick(file, 0)
    if stream is None or not stream.imports:
        return
    if stream.is_whole or _does_harm(stream):
        report.suspect("The same bytes can also be read as a pickle.", _listed(stream.imports))
        _name_imports(report, stream)


def _does_harm(stream: Stream) -> bool:
    """Whether it calls what is dangerous before it breaks; an import alone may be two lines of any text."""
    machines = [stream.machine, *(each.machine for each in stream.inner)]
    calls = [each for machine in machines for each in machine.called]
    remarks = [severity for machine in machines for severity, _ in machine.remarks]
    return Severity.DANGEROUS in remarks or any(judge(each) is Judgement.DANGEROUS for each in calls)


def _judge_stream(report: Report, stream: Stream, file: BinaryIO, position: int) -> None:
    _name_imports(report, stream)
    for severity, sentence in stream.machine.remarks:
        report.add(severity, sentence)
    if stream.problem:
        report.suspect(
            "It could not be read to its end; what stands before the break would still be run.",
            stream.problem,
        )
    if stream.is_joblib:
        report.kind = "joblib"
        _look_past_arrays(report, file, position)
        file.seek(stream.end)
    for each in [stream, *stream.inner]:
        second_opinions.ask(report, each.brief, each.operation_count)


def _look_past_arrays(report: Report, file: BinaryIO, position: int) -> None:
    """Plain `pickle.load` reads an array's bytes as operations; they must not be any."""
    file.seek(position)
    for found in follow(file, over_arrays=False).imports:
        if judge(found) is Judgement.DANGEROUS:
            _name(report, found)


def _look_at_rest(report: Report, file: BinaryIO, position: int, *, is_torch: bool) -> None:
    size = file.seek(0, SEEK_END)
    if position >= size:
        return
    if not is_torch and not any(each.severity is Severity.SUSPICIOUS for each in report.findings):
        report.note(f"{size - position} bytes follow that are no pickle.")
    look_for_hidden(report, file, position)


def _name_imports(report: Report, stream: Stream) -> None:
    for each in stream.imports:
        _name(report, each)


def _name(report: Report, found: Imported) -> None:
    report.imports.add(str(found))
    judgement = judge(found)
    if judgement is Judgement.ORDINARY:
        return
    severity = Severity.DANGEROUS if judgement is Judgement.DANGEROUS else Severity.CODE
    report.add(severity, DESCRIBED[judgement].format(found), str(found))


def _quick(file: BinaryIO, position: int) -> Stream | None:
    file.seek(position)
    try:
        return follow(file)
    except TooLong:
        return None


def _candidates(report: Report, file: BinaryIO, start: int) -> "list[int]":
    """Where pickles may begin."""
    found: list[int] = []
    offset = start
    file.seek(start)
    tail = b""
    while piece := file.read(PIECE):
        data = tail + piece
        base = offset - len(tail)
        found += [base + match.start() for match in HIDDEN.finditer(data)]
        offset += len(piece)
        tail = data[-OVERLAP:]
        if len(found) > MOST_CANDIDATES or offset - start > MOST_SEARCHED:
            report.note(f"Only its first {offset // 1024**2} MB were searched for hidden pickles.")
            break
    return sorted(set(found))


def _is_at_end(file: BinaryIO, position: int | None = None) -> bool:
    """Whether nothing but white space follows."""
    file.seek(file.tell() if position is None else position)
    here = file.tell()
    rest = file.read(16)
    file.seek(here)
    return not rest.strip()


def _more_exactly(report: Report, *, is_torch: bool) -> str:
    roots = {each.split(".")[0] for each in report.imports}
    if is_torch:
        return "PyTorch"
    for name in ("cloudpickle", "dill"):
        if name in roots:
            return f"{report.kind} ({name})"
    return report.kind


def _listed(imports: "dict[Imported, int]") -> str:
    return ", ".join(str(each) for each in list(imports)[:20])
