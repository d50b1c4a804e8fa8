"""The host's uv, index and Pythons, as they are; a small lock that is quickly built."""

import os
from pathlib import Path

import pytest
from django.conf import settings
from packaging.specifiers import SpecifierSet

from serving.environments import requirements
from worker.environments import interpreters, uv
from worker.environments.interpreters import Python
from worker.environments.problems import EnvironmentProblem
from worker.environments.resolve import Question, resolve
from worker.environments.uv import Uv


def skip_or_fail(absent: str) -> None:
    pytest.fail(absent) if os.environ.get("HOPYARD_REQUIRE_ALL") else pytest.skip(absent)


@pytest.fixture(scope="session")
def tool() -> Uv:
    return Uv(uv.find("", settings.BASE_DIR), seconds=60)


@pytest.fixture(scope="session")
def pythons() -> dict[str, Python]:
    return interpreters.find([], first=settings.REPLICA_PYTHON, supported=SpecifierSet(">=3.11,<3.14"))


@pytest.fixture(scope="session")
def python(pythons: dict[str, Python]) -> Python:
    return pythons["3.11"]


@pytest.fixture(scope="session")
def small_lock(tool: Uv, python: Python) -> str:
    asked = requirements.parse("six==1.16.0\niniconfig==2.0.0")
    try:
        return resolve(tool, Question(python, asked), lambda line: None)
    except EnvironmentProblem as problem:
        skip_or_fail(f"no package index is reachable: {problem.reason}")
        raise


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "environments"
