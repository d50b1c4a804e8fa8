"""The watch over a local replica: what outlives it may finish what it is at, within bounds."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import eventually
from worker.deployers import runner

# Starts a process in a session of its own that takes no TERM, and ends once that is ready.
PARENT = """
import pathlib, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], start_new_session=True)
while not pathlib.Path("ready").exists() and child.poll() is None:
    pass
"""
# What a shipper does: it sees that its parent is gone, and has something to write then.
ORPHAN = """
import os, pathlib, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
parent = os.getppid()
pathlib.Path("ready").touch()
while os.getppid() == parent:
    time.sleep(0.05)
print("written after the end", flush=True)
time.sleep({seconds})
pathlib.Path("spilled").touch()
"""

Run = Callable[[float], dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Let a runner watch a replica that leaves an orphan with so many seconds of work, and return how it ended."""

    def start(seconds: float) -> dict[str, Any]:
        spec = {
            "command": [sys.executable, "-c", PARENT, ORPHAN.format(seconds=seconds)],
            "environment": {},
            "directory": str(tmp_path),
            "memory_mb": 500,
            "grace_seconds": 1,
            "log": str(tmp_path / "log"),
        }
        (tmp_path / "spec.json").write_text(json.dumps(spec))
        subprocess.run([sys.executable, runner.__file__, str(tmp_path)], check=True, timeout=20)
        eventually((tmp_path / "exit.json").exists)
        return json.loads((tmp_path / "exit.json").read_text())  # type: ignore[no-any-return]

    return start


def test_what_outlives_a_replica_may_finish_and_be_heard(run: Run, tmp_path: Path) -> None:
    assert run(0.5)["code"] == 0
    assert (tmp_path / "spilled").exists()
    assert "written after the end" in (tmp_path / "log").read_text()


def test_what_does_not_finish_is_killed(run: Run, tmp_path: Path) -> None:
    began = time.monotonic()
    assert run(600)["code"] == 0
    assert runner.ORPHAN_SECONDS <= time.monotonic() - began < runner.ORPHAN_SECONDS + 5
    assert not (tmp_path / "spilled").exists()


def test_a_family_is_looked_into_only_where_its_sum_is_beyond_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three who share most of what they have: 3 x 100 in sum, 150 together."""
    looked: list[int] = []
    monkeypatch.setattr(runner, "_descendants", lambda pid: [2, 3])
    monkeypatch.setattr(runner, "_resident", lambda pid: 100)
    monkeypatch.setattr(runner, "_proportional", lambda pid: looked.append(pid) or 50)
    assert not runner.has_more_than(300, 1)
    assert not looked
    assert not runner.has_more_than(200, 1)
    assert looked == [1, 2, 3]
    assert runner.has_more_than(149, 1)
