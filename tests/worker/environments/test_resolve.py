"""Requirements become locks, or a failure in the resolver's words."""

import stat
from pathlib import Path

import pytest

from serving.environments import locks, requirements
from tests.waiting import eventually
from worker.environments import problems, uv
from worker.environments.interpreters import Python
from worker.environments.problems import EnvironmentProblem
from worker.environments.resolve import Question, resolve
from worker.environments.uv import Uv

pytestmark = pytest.mark.usefixtures("small_lock")  # an index is reachable
NEEDS = ("hpack~=4.1", "numpy>=1.26")
SIX = "1e61c37477a1626458e36f7b1d82aa5c9b094fa4802892072e49de9c60c4c926"
OTHER_SIX = "8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254"


def lock_of(tool: Uv, python: Python, text: str, needs: tuple[str, ...] = ()) -> str:
    return resolve(tool, Question(python, requirements.parse(text), needs), lambda line: None)


def test_a_lock_has_exact_versions_hashes_and_what_the_model_server_needs(tool: Uv, python: Python) -> None:
    lock = lock_of(tool, python, "six==1.16.0  # a comment\n\niniconfig>=2", NEEDS)
    found = {each.name: each for each in locks.packages(lock, "3.11")}
    assert found.keys() == {"six", "iniconfig", "hpack", "numpy"}
    assert found["six"].version == "1.16.0"
    assert all(each.hashes and each.version for each in found.values())
    assert locks.write(locks.read(lock)) == lock


def test_a_marker_that_does_not_hold_installs_nothing(tool: Uv, python: Python) -> None:
    assert "six" not in lock_of(tool, python, 'iniconfig\nsix ; python_version < "3"')


def test_the_users_own_hash_is_the_only_one_kept(tool: Uv, python: Python) -> None:
    lock = lock_of(tool, python, f"six==1.16.0 --hash=sha256:{SIX}")
    assert locks.read(lock)[0].hashes == (f"sha256:{SIX}",)
    assert OTHER_SIX not in lock


FAILURES = {
    "PackageNotFound": ("nonexistent-package-xyz", "no package nonexistent-package-xyz"),
    "VersionNotFound": ("six==99", "no six==99"),
    "EnvironmentConflict": ("urllib3==2.2.0\nrequests==2.20.0", "requests==2.20.0 depends on urllib3"),
    "NoWheel": ("docopt==0.6.2", "HOPYARD_ALLOW_SOURCE_BUILDS"),
    "HashMismatch": (f"six==1.16.0 --hash=sha256:{'0' * 64}", "No file of six==1.16.0"),
}


@pytest.mark.parametrize("code", FAILURES)
def test_what_cannot_be_resolved_is_a_failure_of_its_own_kind(tool: Uv, python: Python, code: str) -> None:
    text, sentence = FAILURES[code]
    with pytest.raises(EnvironmentProblem) as failed:
        lock_of(tool, python, text)
    assert failed.value.code == code
    assert sentence in failed.value.reason
    assert "\n" not in failed.value.reason
    assert failed.value.evidence
    assert code not in problems.PASSING


def test_a_conflict_with_the_model_server_says_what_it_needs(tool: Uv, python: Python) -> None:
    with pytest.raises(EnvironmentProblem) as failed:
        lock_of(tool, python, "numpy==1.20", NEEDS)
    assert failed.value.reason.endswith("The model server itself needs numpy>=1.26.")


def test_an_index_that_is_away_is_a_problem_that_passes(
    tool: Uv, python: Python, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path))
    with pytest.raises(EnvironmentProblem) as failed:
        lock_of(tool, python, "six")
    assert failed.value.code == "IndexUnreachable"
    assert failed.value.code in problems.PASSING


def fake_uv(folder: Path, script: str, *, seconds: float = 0.5) -> Uv:
    program = folder / "uv"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return Uv(program, seconds=seconds)


def test_a_tool_that_never_ends_is_ended_with_all_that_it_started(tmp_path: Path, python: Python) -> None:
    marker = tmp_path / "children"
    slow = fake_uv(tmp_path, f"sleep 600 & echo $! > {marker}; wait", seconds=3)
    with pytest.raises(EnvironmentProblem) as failed:
        lock_of(slow, python, "six")
    assert failed.value.code == "EnvironmentTimeout"
    child = Path(f"/proc/{marker.read_text().strip()}/stat")

    def has_ended() -> bool:
        try:
            return child.read_text().rpartition(")")[2].split()[0] == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return True

    eventually(has_ended, seconds=10)


def test_a_tool_learns_nothing_of_the_platforms_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOPYARD_SECRET_KEY", "s3cret")
    monkeypatch.setenv("DATABASE_PASSWORD", "s3cret")
    monkeypatch.setenv("UV_PYTHON", "3.12")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://index.example/simple")
    lines: list[str] = []
    uv.run(["/usr/bin/env"], directory=tmp_path, tell=lines.append, seconds=10)
    said = "\n".join(lines)
    assert "s3cret" not in said
    assert "UV_PYTHON=" not in said
    assert "UV_DEFAULT_INDEX=https://index.example/simple" in said


def test_output_is_told_line_by_line_while_it_comes(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    lines: list[str] = []

    def tell(line: str) -> None:
        lines.append(line)
        if line == "first":
            gate.touch()

    script = f"echo first; while [ ! -e {gate} ]; do sleep 0.01; done; printf second"
    finished = uv.run(["/bin/sh", "-c", script], directory=tmp_path, tell=tell, seconds=20)
    assert (finished.code, finished.output) == (0, "first\nsecond")
    assert [line for line in lines if line] == ["first", "second"]
