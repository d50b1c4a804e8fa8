"""What can go wrong with an environment, in a code for programs, a sentence and the tool's own words."""

import re
from collections.abc import Mapping
from typing import Any

MOST_EVIDENCE = 8000
MOST_TRIES = 5
PASSING = {
    "BaseImageMissing",
    "EngineUnreachable",
    "EnvironmentTimeout",
    "ForeignImage",
    "IndexUnreachable",
    "ModelServerMissing",
    "NoSpace",
    "RegistryUnreachable",
    "UvMissing",
    "WorkerFailed",
}
BY_ITSELF = "it is tried again by itself"
UNREACHABLE = (
    "Failed to fetch",
    "error sending request",
    "Request failed after",
    "Network connectivity is disabled",
    "Failed to download",
)


class EnvironmentProblem(Exception):
    """`code` is one of the failure codes users see; `evidence` the words of the tool.

    `tries` counts those that ended so one after the other, where that matters.
    """

    def __init__(self, code: str, reason: str, evidence: str = "", *, tries: int = 1) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = _text(reason)
        self.evidence = _text(evidence)[-MOST_EVIDENCE:]
        self.tries = tries

    def as_json(self) -> dict[str, Any]:
        return {"code": self.code, "reason": self.reason, "evidence": self.evidence, "tries": self.tries}


def passes(failure: Mapping[str, Any]) -> bool:
    """Whether it may help to try again after a while."""
    return failure["code"] in PASSING and failure.get("tries", 1) < MOST_TRIES


def of_surprise(error: Exception, before: Mapping[str, Any] | None) -> EnvironmentProblem:
    """What nobody foresaw, such as a locked database; `before` is the failure that the row had."""
    code = "WorkerFailed"
    tries = before.get("tries", 1) + 1 if before and before["code"] == code else 1
    then = BY_ITSELF if tries < MOST_TRIES else "its log says more"
    reason = f"The worker could not go on: {error}; {then}."
    return EnvironmentProblem(code, reason, repr(error), tries=tries)


def of_rebuilding(problem: EnvironmentProblem) -> EnvironmentProblem:
    """The same where an environment was there before, which nothing has happened to."""
    reason = problem.reason.replace(BY_ITSELF, "rebuild it later")
    return EnvironmentProblem(
        problem.code, f"It could not be built anew and stays as it was. {reason}", problem.evidence
    )


def of_resolving(
    words: str, *, python: str, allows_sources: bool, needs: tuple[str, ...] = ()
) -> EnvironmentProblem:
    """Classify a refusal; `needs` are the model server's own requirements, which the resolver counts as the user's."""
    said = _sentence(words)
    if problem := _of_surroundings(words):
        return problem
    if missing := re.search(r"(\S+) was not found in the (?:package registry|cache|provided)", words):
        reason = f"There is no package {missing[1]} on the index; check how it is spelt."
        return EnvironmentProblem("PackageNotFound", reason, words)
    if "does not satisfy Python" in words:
        reason = (
            f"Python {python} is not what the requirements need: {said} Choose another Python or version."
        )
        return EnvironmentProblem("PythonUnsuitable", reason, words)
    if wheel := re.search(r"(\S+) has no (?:usable )?wheels", words):
        return EnvironmentProblem("NoWheel", _no_wheel(wheel[1], python, allows_sources), words)
    if version := re.search(r"there is no version of ([^\s,]+)", words):
        reason = f"The index has no {version[1]}; choose a version that exists."
        return EnvironmentProblem("VersionNotFound", reason, words)
    if "No solution found" in words:
        reason = f"The requirements contradict each other: {said} {_change(words, needs)}"
        return EnvironmentProblem("EnvironmentConflict", reason, words)
    return EnvironmentProblem("ResolvingFailed", f"The requirements could not be resolved: {said}", words)


def of_installing(words: str) -> EnvironmentProblem:
    if "Hash mismatch" in words:
        reason = "A file of the index no longer has the hash that was locked; nothing was installed."
        return EnvironmentProblem("HashMismatch", reason, words)
    if problem := _of_surroundings(words):
        return problem
    return EnvironmentProblem("BuildFailed", f"The environment could not be built: {_sentence(words)}", words)


def _of_surroundings(words: str) -> EnvironmentProblem | None:
    """Problems that pass by themselves or that the administrator removes."""
    if "No space left on device" in words:
        reason = "The platform's disk is full; free some space or remove environments that nobody uses."
        return EnvironmentProblem("NoSpace", reason, words)
    if any(each in words for each in UNREACHABLE):
        reason = f"The package index could not be reached; {BY_ITSELF}."
        return EnvironmentProblem("IndexUnreachable", reason, words)
    return None


def _no_wheel(package: str, python: str, allows_sources: bool) -> str:
    if allows_sources:
        return f"{package} has nothing that can be installed on Python {python}; choose another version or Python."
    return (
        f"{package} has no wheel for Python {python}, and this installation does not build packages from source "
        "(HOPYARD_ALLOW_SOURCE_BUILDS); choose another version or Python."
    )


def _change(words: str, needs: tuple[str, ...]) -> str:
    names = [re.split(r"[^A-Za-z0-9._-]", need)[0] for need in needs]
    ours = [
        need for name, need in zip(names, needs, strict=True) if re.search(rf"\b{re.escape(name)}\b", words)
    ]
    return f"The model server itself needs {', '.join(ours)}." if ours else "Change one of them."


def _sentence(words: str) -> str:
    """The tool's reason on one line."""
    cause = words.partition("cause: ")[2] or words.partition("error: ")[2] or words
    line = " ".join(cause.partition("hint:")[0].split())[:600]
    return line if line.endswith(".") else f"{line}."


def _text(words: str) -> str:
    """As a database takes it: without NUL bytes and halves of characters, which output and file names may have."""
    return words.replace("\0", "").encode(errors="replace").decode()
