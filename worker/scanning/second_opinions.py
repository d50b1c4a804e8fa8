"""Asks fickling and picklescan about a pickle; neither is trusted alone, and neither's failure passes for a yes."""

import contextlib
import io
import logging
import re
import signal
from collections.abc import Callable, Iterator
from types import FrameType

from fickling.analysis import AnalysisResult, check_safety
from fickling.analysis import Severity as FicklingSeverity
from fickling.fickle import StackedPickle
from picklescan.scanner import SafetyLevel, scan_pickle_bytes

from worker.scanning.findings import Report, Severity
from worker.scanning.machine import Imported
from worker.scanning.names import Judgement, judge

MOST_OPERATIONS_FOR_FICKLING = 100_000
MOST_OPERATIONS_FOR_PICKLESCAN = 3_000_000
PATIENCE_SECONDS = 20.0
IMPORT = re.compile(r"from (\S+) import (\S+)")

# What fickling says of every model there is, or of an import that is judged by its name.
SAID_OF_ALL = {"NonStandardImports"}


class OutOfPatience(BaseException):
    """The library took too long; it must not take this for a fault of its own."""


def ask(report: Report, brief: io.BytesIO | None, operation_count: int) -> None:
    """Add what both say of a pickle whose big values are left out."""
    logging.getLogger("picklescan").setLevel(logging.CRITICAL)
    for who, most, question in (
        ("fickling", MOST_OPERATIONS_FOR_FICKLING, _fickling),
        ("picklescan", MOST_OPERATIONS_FOR_PICKLESCAN, _picklescan),
    ):
        if brief is None or operation_count > most:
            report.note(f"It is too long for {who}, so our own reading and the imports' names have to do.")
        else:
            _ask_one(report, who, question, brief.getvalue())


def _ask_one(report: Report, who: str, question: Callable[[Report, bytes], None], brief: bytes) -> None:
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            _patience(),
        ):
            question(report, brief)
    except OutOfPatience:
        report.suspect(f"{who} came to no end with it, which it does with well-made pickles.")
    except Exception as error:
        fault = f"{type(error).__name__}: {error}"
        report.suspect(f"{who} could not read it, which it can of well-made pickles.", fault)


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    """A pickle that copies a value into itself again and again makes fickling write for ever."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise OutOfPatience

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _fickling(report: Report, brief: bytes) -> None:
    for pickled in StackedPickle.load(brief, fail_on_decode_error=False):
        for result in check_safety(pickled).results:
            _one_of_fickling(report, result)


def _one_of_fickling(report: Report, result: AnalysisResult) -> None:
    said = str(result)
    named = IMPORT.search(result.trigger or "")
    if named is not None:
        found = Imported(named[1], named[2])
        if result.analysis_name in SAID_OF_ALL or judge(found) is Judgement.ORDINARY:
            return
        report.add(Severity.DANGEROUS, f"fickling warns of the import {found}.", said)
    elif result.severity >= FicklingSeverity.LIKELY_OVERTLY_MALICIOUS:
        report.add(Severity.DANGEROUS, "fickling takes it for malicious.", said)
    elif result.analysis_name not in {"OvertlyBadEval", "UnusedVariables", *SAID_OF_ALL}:
        report.suspect("fickling finds it malformed.", said)


def _picklescan(report: Report, brief: bytes) -> None:
    result = scan_pickle_bytes(io.BytesIO(brief), "file")
    for each in result.globals:
        found = Imported(each.module, each.name)
        if each.safety is SafetyLevel.Dangerous and judge(found) is not Judgement.ORDINARY:
            report.add(Severity.DANGEROUS, f"picklescan calls the import {found} dangerous.")
    if result.scan_err:
        report.suspect("picklescan could not read all of it.")
