"""The lines of a pre-flight, decided without I/O: what a process reported, and what its end means for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from serving.models.preflights import PACKAGES, CheckState
from worker.environments.prepare import Preparation
from worker.failures import Failure

MOST_CHECKS = 30
LONGEST_SECONDS = 1e6
LONGEST = {"name": 40, "title": 200, "state": 10, "sentence": 4_000, "code": 60, "evidence": 32_000}


@dataclass(frozen=True)
class Check:
    """One line of the list, as `Preflight.checks` keeps it."""

    name: str
    title: str
    state: str
    sentence: str = ""
    code: str = ""
    evidence: str = ""
    seconds: float | None = None


def reported(said: Mapping[str, Any] | None) -> list[Check]:
    """The checks that a process has written of itself, which is a stranger's word: what is not one is left out."""
    found = (said or {}).get("checks")
    read = [_check(each) for each in found[:MOST_CHECKS]] if isinstance(found, list) else []
    return [check for check in read if check is not None]


def is_complete(checks: Sequence[Check]) -> bool:
    """Whether a process that ended has said all it was to say."""
    unfinished = {CheckState.RUNNING, CheckState.WAITING}
    return bool(checks) and not any(check.state in unfinished for check in checks)


def has_failed(checks: Sequence[Check]) -> bool:
    return any(check.state == CheckState.FAILED for check in checks)


def failed(name: str, title: str, failure: Failure) -> Check:
    return Check(name, title, CheckState.FAILED, failure.reason, failure.code, failure.evidence)


def broken_off(checks: Sequence[Check], failure: Failure) -> list[Check]:
    """The checks of a process that ended without finishing: the one that ran has failed, the rest is skipped."""
    running = next((check for check in checks if check.state == CheckState.RUNNING), None)
    if running is None:
        return [*(_skipped(check, "it") for check in checks), failed("end", "Ends by itself", failure)]
    return [
        failed(check.name, check.title, failure)
        if check.name == running.name
        else _skipped(check, running.title)
        for check in checks
    ]


def of_packages(packages: Preparation) -> Check:
    title = "Packages"
    if packages.failure is not None:
        said = packages.failure
        return failed(PACKAGES, title, Failure(said["code"], said["reason"], said.get("evidence", "")))
    if not packages.is_ready:
        return Check(PACKAGES, title, CheckState.RUNNING, packages.sentence)
    return Check(PACKAGES, title, CheckState.PASSED, "The packages are installed.")


def _skipped(check: Check, cause: str) -> Check:
    if check.state != CheckState.WAITING:
        return check
    return replace(check, state=CheckState.SKIPPED, sentence=f"Skipped because “{cause}” failed.")


def _check(said: Any) -> Check | None:
    if not isinstance(said, dict):
        return None
    texts = {name: said.get(name, "") for name in LONGEST}
    if not all(isinstance(text, str) for text in texts.values()):
        return None
    if not texts["name"].isidentifier() or texts["state"] not in CheckState.values:
        return None
    cut = {name: text[: LONGEST[name]] for name, text in texts.items()}
    return Check(**cut, seconds=_seconds(said.get("seconds")))


def _seconds(said: Any) -> float | None:
    """A length of time that fits into JSON, which neither infinity nor what is no number does."""
    return float(said) if isinstance(said, int | float) and 0 <= said <= LONGEST_SECONDS else None
