"""Resolves requirements, and the model server's own needs beside them, into a lock with hashes for one Python."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from serving.environments import locks
from serving.environments.locks import Package
from serving.environments.requirements import Line
from worker.environments import problems
from worker.environments.interpreters import Python
from worker.environments.problems import EnvironmentProblem
from worker.environments.uv import Tell, Uv


@dataclass(frozen=True)
class Question:
    """What is to be resolved: the user's lines, for a Python, and what the model server needs besides."""

    python: Python
    lines: Sequence[Line]
    needs: tuple[str, ...] = ()


def resolve(uv: Uv, question: Question, tell: Tell) -> str:
    """The lock. It is uv that decides; the user's text never reaches it, only what was understood of it."""
    with tempfile.TemporaryDirectory(prefix="hopyard-resolve-") as name:
        folder = Path(name)
        asked, lock = folder / "requirements.txt", folder / "lock.txt"
        asked.write_text("".join(f"{line}\n" for line in [*_texts(question.lines), *question.needs]))
        finished = uv.run(
            "pip",
            "compile",
            "--quiet",
            "--generate-hashes",
            "--no-header",
            "--no-annotate",
            *uv.only_wheels,
            *("--python", question.python.path),
            *("--output-file", lock),
            asked,
            directory=folder,
            tell=tell,
        )
        if finished.code != 0:
            raise problems.of_resolving(
                finished.output,
                python=question.python.version,
                allows_sources=uv.allows_sources,
                needs=question.needs,
            )
        found = locks.read(lock.read_text())
    kept = [_with_hashes_of(question.lines, package) for package in found]
    for package in kept:
        tell(str(package))
    return locks.write(kept)


def _texts(lines: Sequence[Line]) -> list[str]:
    return [str(line.requirement) for line in lines]


def _with_hashes_of(lines: Sequence[Line], package: Package) -> Package:
    """Where the user gave hashes, those and no others."""
    given = {each for line in lines if line.name == package.name for each in line.hashes}
    if given and not (given := given & set(package.hashes)):
        reason = f"No file of {package} on the index has a hash that the requirements name; compare them."
        raise EnvironmentProblem("HashMismatch", reason, "\n".join(package.hashes))
    if not package.hashes:
        raise EnvironmentProblem(
            "NotLockable", f"The index gives no hash for {package}; choose another version."
        )
    return replace(package, hashes=tuple(sorted(given))) if given else package
