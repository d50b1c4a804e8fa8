"""What pre-flight has found so far, told at once so that a crash of the process leaves it behind."""

import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from time import perf_counter

from hopyard.server import reports
from hopyard.server.failures import Failure, writable
from hopyard.server.reports import Outlet

TITLES = {
    "files": "The files are those that were registered",
    "syntax": "The script is valid Python",
    "imports": "The script can be imported",
    "class": "The class is found",
    "methods": "The methods can be called",
    "transformer": "The transformer is complete",
    "loads": "The model loads",
    "predicts": "The input example is predicted",
    "json": "The answer can be sent",
}

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Check:
    """`state`: waiting, running, passed, failed or skipped."""

    name: str
    title: str
    state: str = "waiting"
    sentence: str = ""
    code: str = ""
    evidence: str = ""
    seconds: float = 0.0


class Report:
    """Written anew with every change; without an outlet only the log is told."""

    def __init__(self, outlet: Outlet | None, names: Iterable[str] = TITLES) -> None:
        self._outlet = outlet
        self._checks = {name: Check(name, TITLES[name]) for name in names}

    @property
    def has_failures(self) -> bool:
        return any(check.state == "failed" for check in self._checks.values())

    def state(self, name: str) -> str:
        return self._checks[name].state

    def began(self, name: str) -> None:
        self._checks[name].state = "running"
        self._began = perf_counter()
        self._write()

    def passed(self, name: str, sentence: str, evidence: str = "") -> None:
        self._settle(name, "passed", sentence, evidence)

    def skipped(self, name: str, sentence: str) -> None:
        self._settle(name, "skipped", sentence)

    def failed(self, name: str, failure: Failure) -> None:
        self._checks[name].code = failure.code
        self._settle(name, "failed", failure.reason, failure.evidence)

    def _settle(self, name: str, state: str, sentence: str, evidence: str = "") -> None:
        check = self._checks[name]
        if check.state == "running":
            check.seconds = round(perf_counter() - self._began, 3)
        check.state, check.sentence, check.evidence = state, writable(sentence), writable(evidence)
        say = log.error if state == "failed" else log.info
        say("%s: %s", f"{check.title}: {state}", check.sentence)
        self._write()

    def _write(self) -> None:
        if self._outlet is None:
            return
        try:
            reports.write_preflight(self._outlet, [asdict(check) for check in self._checks.values()])
        except OSError:
            log.exception("The report could not be written")
