"""What can go wrong with an environment, in a code for programs, a sentence and the tool's own words."""

import re

MOST_EVIDENCE = 8000
PASSING = {"IndexUnreachable", "NoSpace", "EnvironmentTimeout", "UvMissing", "ModelServerMissing"}
UNREACHABLE = (
    "Failed to fetch",
    "error sending request",
    "Request failed after",
    "Network connectivity is disabled",
    "Failed to download",
)


class EnvironmentProblem(Exception):
    """`code` is one of the failure codes users see; `evidence` the words of the tool."""

    def __init__(self, code: str, reason: str, evidence: str = "") -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.evidence = evidence[-MOST_EVIDENCE:]

    def as_json(self) -> dict[str, str]:
        return {"code": self.code, "reason": self.reason, "evidence": self.evidence}


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
        reason = "The package index could not be reached; it is tried again by itself."
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
