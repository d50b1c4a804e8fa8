"""`check(script, **settings)` runs a pre-flight in a process of its own and returns what it found."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ..process import DEADLINE_SECONDS, ServerProcess


@dataclass(frozen=True)
class Found:
    status: int
    checks: dict[str, dict[str, Any]]
    log: str

    def states(self) -> dict[str, str]:
        return {name: check["state"] for name, check in self.checks.items()}

    @property
    def failed(self) -> list[str]:
        return [name for name, state in self.states().items() if state == "failed"]

    def sentence(self, name: str) -> str:
        return str(self.checks[name]["sentence"])


@pytest.fixture
def start(tmp_path: Path, serve: Callable[..., ServerProcess]) -> Callable[..., ServerProcess]:
    def begin(script: str | None, **settings: Any) -> ServerProcess:
        if "example" in settings:
            example = tmp_path / "example.json"
            stated = settings.pop("example")
            example.write_text(stated if isinstance(stated, str) else json.dumps(stated))
            settings["INPUT_EXAMPLE"] = example
        return serve(script, PREFLIGHT="on", **settings)

    return begin


@pytest.fixture
def check(start: Callable[..., ServerProcess]) -> Callable[..., Found]:
    def run(script: str | None, **settings: Any) -> Found:
        process = start(script, **settings)
        status = process.process.wait(DEADLINE_SECONDS)
        assert process.termination_file.exists(), process.log
        report = json.loads(process.termination_file.read_text())
        assert report["code"] == "Preflight", report
        return Found(status, {each["name"]: each for each in report["checks"]}, process.log)

    return run
