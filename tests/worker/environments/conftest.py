"""The host's uv, index and Pythons, as they are; a small lock that is quickly built."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import LazySettings, settings
from packaging.specifiers import SpecifierSet

from accounts import work
from serving.environments import requirements
from serving.models import Interpreter, Serving
from tests.worker.environments.steps import Create, made
from worker.environments import host, interpreters, uv
from worker.environments.interpreters import Python
from worker.environments.model_server import ModelServer
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


@pytest.fixture
def known_python(db: None, python: Python) -> None:
    """As the worker reports it."""
    Interpreter.objects.create(
        version=python.version, full_version=python.full_version, path=str(python.path)
    )


@pytest.fixture
def small_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A model server without needs, so that an environment is as small as its requirements."""
    package = tmp_path / "small" / "hopyard"
    (package / "server").mkdir(parents=True)
    for name in ("__init__.py", "server/__init__.py", "server/lifecycle.py"):
        (package / name).touch()
    metadata = package.with_name("hopyard-1.0.dist-info")
    server = ModelServer(package, metadata, "1.0", SpecifierSet(">=3.11"), ())
    monkeypatch.setattr(host, "server", lambda: server)


@pytest.fixture
def built(known_python: None, small_lock: str, create: Create) -> Serving:
    """A serving whose environment has been built."""
    serving = create(requirements="six==1.16.0")
    assert made(serving).is_ready
    return serving


@pytest.fixture
def asked(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Callable[..., object]
) -> Callable[[Callable[[], object]], list[tuple[object, ...]]]:
    """What is asked of the worker, as (task, id), when something is done."""

    def while_doing(act: Callable[[], object]) -> list[tuple[object, ...]]:
        found: list[tuple[object, ...]] = []
        with monkeypatch.context() as patch, django_capture_on_commit_callbacks(execute=True):
            patch.setattr(work, "_send", lambda task, args: found.append((task, *args)))
            act()
        return found

    return while_doing


@pytest.fixture
def no_uv(settings: LazySettings, tmp_path: Path) -> Callable[[str], None]:
    """Let uv be a program that says something and fails."""

    def replace(said: str) -> None:
        program = tmp_path / "uv"
        program.write_text(f"#!/bin/sh\nprintf '{said}'\nexit 1\n")
        program.chmod(0o755)
        settings.UV = str(program)

    return replace
