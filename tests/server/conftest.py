"""`serve(script, **settings)` starts a model server; settings are HOPYARD_ variables without the prefix."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .process import ECHO, ServerProcess


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    started: list[ServerProcess] = []
    numbers = itertools.count(1)

    def start(script: str | None = ECHO, **settings: object) -> ServerProcess:
        directory = Path(settings.pop("directory", tmp_path / f"replica-{next(numbers)}"))
        directory.mkdir(exist_ok=True)
        started.append(ServerProcess(directory, script, dict(settings)))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One echoing server for all tests of a file that leave it as it was."""
    server = ServerProcess(tmp_path_factory.mktemp("echo"), ECHO, {"MAX_BODY_BYTES": 100_000})
    yield server.ready()
    server.close()
