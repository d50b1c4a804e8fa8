"""The order of the checks, what each of them needs, and how its outcome gets into the report."""

import asyncio
from collections.abc import Awaitable, Callable

from hopyard.server import reports
from hopyard.server.config import Config
from hopyard.server.failures import Failure, one_line, whole_traceback
from hopyard.server.preflight.report import TITLES, Report
from hopyard.server.preflight.stages import NotAsked, Passed, Stages
from hopyard.server.runners import ModelThread

NEEDS = {
    "files": (),
    "syntax": ("files",),
    "imports": ("syntax",),
    "class": ("imports",),
    "methods": ("class",),
    "transformer": ("syntax",),
    "loads": ("methods",),
    "predicts": ("loads", "transformer"),
    "json": ("predicts",),
}
# What only loading may find out about the checks before.
OWNERS = {
    "ClassAmbiguous": "class",
    "ClassInvalid": "class",
    "ClassMissing": "class",
    "MethodAsync": "methods",
    "MethodMissing": "methods",
}

Stage = Callable[[], Awaitable[Passed]]


async def run(settings: Config) -> bool:
    """Make all checks that can be made; whether none of them failed."""
    report = Report(reports.outlet(settings.termination_file, settings.reports))
    thread = ModelThread(asyncio.get_running_loop())
    stages = Stages(settings, thread)
    checklist = Checklist(report)
    for name, stage in stages.all().items():
        await checklist.make(name, stage)
    thread.stop()
    return not report.has_failures


class Checklist:
    """Makes one check after the other, leaving out those whose ground is missing."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._causes: dict[str, str] = {}

    async def make(self, name: str, stage: Stage) -> None:
        """Make a check and report it; what it raises is its outcome."""
        report = self._report
        cause = next((self._causes[need] for need in NEEDS[name] if need in self._causes), "")
        if cause:
            self._leave_out(name, cause)
            return
        report.began(name)
        try:
            passed = await stage()
        except NotAsked as skipped:
            report.skipped(name, str(skipped))
        except Failure as failure:
            self._fail(name, failure)
        except (Exception, SystemExit) as error:
            reason = f"This check failed by a fault of its own, {one_line(error)}; please report it."
            self._fail(name, Failure("Internal", reason, whole_traceback(error)))
        else:
            report.passed(name, passed.sentence, passed.evidence)

    def _fail(self, name: str, failure: Failure) -> None:
        owner = OWNERS.get(failure.code, name) if name == "loads" else name
        self._report.failed(owner, failure)
        self._causes[owner] = owner
        if owner != name:
            self._leave_out(name, owner)

    def _leave_out(self, name: str, cause: str) -> None:
        self._causes[name] = cause
        self._report.skipped(name, f"Skipped because “{TITLES[cause]}” failed.")
