"""One server for all the clients, which come from environments of their own."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest

from ..server.process import ServerProcess

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PATIENCE_SECONDS = 120


@pytest.fixture(scope="session")
def knn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    script = (HERE / "knn.py").read_text()
    with closing(ServerProcess(tmp_path_factory.mktemp("knn"), script, {"name": "knn.py"})) as server:
        yield server.ready()


@pytest.fixture(scope="session")
def outcomes(knn: ServerProcess) -> Callable[[str, str], dict[str, str]]:
    """Run a file of checks once, with the interpreter of a client's environment."""

    @cache
    def run(environment: str, name: str) -> dict[str, str]:
        python = ROOT / f".venv-{environment}" / "bin" / "python"
        if not python.exists():
            absent = f"the client of {environment} is not here; tests/setup.sh installs it"
            pytest.fail(absent) if os.environ.get("HOPYARD_REQUIRE_ALL") else pytest.skip(absent)
        address = "{}:{}".format(*knn.address)
        done = subprocess.run(
            [python, HERE / "clients" / f"{name}.py", address],
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
        return found

    return run
