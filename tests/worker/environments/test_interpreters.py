"""Which Pythons the worker finds."""

import sys
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from worker.environments import interpreters
from worker.environments.interpreters import BadSetting, Python

EVERY = SpecifierSet(">=3.8")


@pytest.fixture(autouse=True)
def _few_candidates(monkeypatch: pytest.MonkeyPatch, pythons: dict[str, Python]) -> None:
    monkeypatch.setattr(interpreters, "_candidates", lambda: iter([Path(sys.executable)]))


def test_the_replicas_own_python_is_among_them_and_never_a_virtual_one(pythons: dict[str, Python]) -> None:
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert pythons[own].path == Path(sys.base_prefix, "bin", f"python{own}").resolve()
    assert all(".venv" not in str(each.path) for each in pythons.values())


def test_what_the_model_server_does_not_support_is_left_out() -> None:
    found = interpreters.find([], first=Path(sys.executable), supported=SpecifierSet("<3"))
    assert found == {}


@pytest.mark.parametrize(
    "program", ["exit 1", 'echo \'["3.12.1", "PyPy", "/usr/bin/pypy"]\'', "echo nonsense"]
)
def test_a_program_that_does_not_answer_as_cpython_is_passed_over(tmp_path: Path, program: str) -> None:
    shim = tmp_path / "python3.12"
    shim.write_text(f"#!/bin/sh\n{program}\n")
    shim.chmod(0o755)
    assert interpreters.ask(shim) is None


def test_the_administrators_choice_comes_first(tmp_path: Path) -> None:
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    named = tmp_path / "named"
    named.symlink_to(sys.executable)
    found = interpreters.find([f"{own}={named}"], first=Path("/nonexistent"), supported=EVERY)
    assert own in found


@pytest.mark.parametrize("pair", ["3.12=/nonexistent/python", "3.5={python}", "nonsense"])
def test_a_setting_that_names_another_python_is_refused_with_a_sentence(pair: str) -> None:
    with pytest.raises(BadSetting, match="HOPYARD_PYTHONS says"):
        interpreters.find([pair.format(python=sys.executable)], first=Path(sys.executable), supported=EVERY)
