"""The output of containers in files: live, whole, and each line once, however often the keeper begins anew."""

import contextlib
import secrets
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import docker
import pytest
from django.conf import LazySettings

from tests.engine import PYTHON_IMAGE, docker_engine
from tests.waiting import eventually
from tests.worker.deployers.swarm_parts import swarm
from worker import kept_log, log_keeper
from worker.deployers import containers
from worker.deployers.following import Engine, Line, Output, Silence, joined
from worker.kept_log import KeptLog
from worker.log_keeper import Keeper

__all__ = ["docker_engine"]

Run = Callable[..., Any]
SERVING = "garden-iris-1"
REPLICA = "r1-0-1"


@pytest.fixture
def installation() -> str:
    return secrets.token_hex(6)


@pytest.fixture
def run(docker_engine: docker.DockerClient, installation: str) -> Iterator[Run]:
    """Start a container that looks like a replica and runs a piece of Python."""
    made = []

    def start(program: str, *, replica: str = REPLICA, of: str = installation) -> Any:
        labels = containers.mine(of, SERVING) | {containers.REPLICA: replica}
        command = ["python3", "-u", "-c", program]
        made.append(
            docker_engine.containers.run(PYTHON_IMAGE, command, labels=labels, detach=True, init=True)
        )
        return made[-1]

    yield start
    for container in made:
        with contextlib.suppress(docker.errors.NotFound):
            container.remove(force=True)


@pytest.fixture
def engine(docker_engine: docker.DockerClient, settings: LazySettings, installation: str) -> Iterator[Engine]:
    found = Engine(settings.DOCKER_URL, installation=installation, services=False)
    yield found
    found.close()


def kept(folder: Path, replica: str = REPLICA) -> list[str]:
    """The texts of a replica's log, from both its files."""
    path = folder / SERVING / f"{replica}.log"
    parts = [part for part in (path.with_name(f"{path.name}.1"), path) if part.exists()]
    return [line.partition(" ")[2] for part in parts for line in part.read_text().splitlines()]


def test_lines_appear_while_the_replica_runs_and_stay_when_it_is_gone(
    run: Run, engine: Engine, tmp_path: Path
) -> None:
    container = run("import time; print('up'); time.sleep(600)")
    keeper = Keeper(engine, tmp_path)
    assert not keeper.look()
    eventually(lambda: kept(tmp_path) == ["up"], what="the line of a running replica")
    container.kill()
    eventually(keeper.look, what="the end of its log")
    container.remove(force=True)
    assert keeper.look()
    assert kept(tmp_path) == ["up"]


def test_a_replica_of_another_installation_is_left_alone(run: Run, engine: Engine, tmp_path: Path) -> None:
    run("print('theirs')", of="another").wait()
    run("print('ours')", replica="r1-1-1").wait()
    keeper = Keeper(engine, tmp_path)
    eventually(keeper.look, what="the end of all logs")
    assert kept(tmp_path, "r1-1-1") == ["ours"]
    assert not kept(tmp_path)


def test_each_line_comes_once_over_many_new_beginnings(
    run: Run, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("""
import sys, time
for number in range(300):
    print("line", number)
    if number % 10 == 0:
        time.sleep(0.01)
""")
    lines = engine.lines

    def breaks_off(output: Output, since: str = "") -> Iterator[Line]:
        yield from islice(lines(output, since), 61)
        raise Silence("The connection broke.")

    keeper = Keeper(engine, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(engine, "lines", breaks_off)
        eventually(lambda: keeper.look() or len(kept(tmp_path)) >= 300, what="all lines")
    eventually(keeper.look, what="the end of the log")
    assert kept(tmp_path) == [f"line {number}" for number in range(300)]


def test_long_lines_are_whole_and_reports_are_left_out(run: Run, engine: Engine, tmp_path: Path) -> None:
    run(f"""
import sys
print("a" * 40_000)
print("::hopyard-report:: 1/1 e30=")
sys.stderr.write("b" * 20_000 + "\\n")
print("c" * {70_000})
print("no end", end="")
""").wait()
    eventually(Keeper(engine, tmp_path).look, what="the end of the log")
    lines = kept(tmp_path)
    assert sorted(map(len, lines)) == sorted([40_000, 20_000, 65_536, 70_000 - 65_536, len("no end")])
    assert not [line for line in lines if "report" in line]


def test_a_service_of_a_swarm_is_followed_like_a_container(
    docker_engine: docker.DockerClient, settings: LazySettings, installation: str, tmp_path: Path
) -> None:
    program = "import time; print('up'); print('a' * 40_000); time.sleep(1); print('down')"
    labels = containers.mine(installation, SERVING) | {containers.REPLICA: REPLICA}
    engine = Engine(settings.DOCKER_URL, installation=installation, services=True)
    with swarm(docker_engine), contextlib.closing(engine):
        service = docker_engine.services.create(
            docker_engine.images.get(PYTHON_IMAGE).id,
            ["python3", "-u", "-c", program],
            labels=labels,
            restart_policy=docker.types.RestartPolicy("none"),
        )
        try:
            keeper = Keeper(engine, tmp_path)
            eventually(lambda: keeper.look() or kept(tmp_path), what="the first line, while it runs")
            eventually(lambda: keeper.look() and len(kept(tmp_path)) == 3, what="the end of its log")
            eventually(Keeper(engine, tmp_path).look, what="one more reading of it")
        finally:
            service.remove()
    assert [len(line) for line in kept(tmp_path)] == [2, 40_000, 4]


def test_pieces_of_both_streams_are_told_apart() -> None:
    time = b"2026-11-21T10:00:00.123456789Z "
    frames = [(1, time + b"out "), (2, time + b"err "), (1, time + b"goes on\n"), (2, time + b"as well\n")]
    assert [line.text for line in joined(iter(frames))] == [b"out goes on", b"err as well"]


def test_a_full_log_begins_anew_and_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_log, "LOG_BYTES", 400)
    path = tmp_path / SERVING / f"{REPLICA}.log"
    lines = [Line(f"2026-11-21T10:00:00.{number // 4:03}Z", b"%d" % number) for number in range(60)]
    for upto in range(0, 61, 5):
        log = KeptLog(path)
        for line in lines[:upto]:
            if line.time >= log.since:  # as an engine does
                log.write(line)
        log.close()
    assert path.stat().st_size <= 400
    assert kept(tmp_path) == [str(number) for number in range(60)][-len(kept(tmp_path)) :]
    assert len(kept(tmp_path)) > 400 // 30


def test_half_a_line_that_was_left_behind_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / SERVING / f"{REPLICA}.log"
    path.parent.mkdir()
    path.write_text("2026-11-21T10:00:00.123Z one\n2026-11-21T10:00:00.456Z tw")
    log = KeptLog(path)
    assert log.since == "2026-11-21T10:00:00.123Z"
    for time, text in (("2026-11-21T10:00:00.123Z", b"one"), ("2026-11-21T10:00:00.456Z", b"two")):
        log.write(Line(time, text))
    log.close()
    assert kept(tmp_path) == ["one", "two"]


def test_one_keeper_works_at_a_time_and_a_silent_engine_is_asked_again(
    run: Run, engine: Engine, settings: LazySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.LOG_DIR = tmp_path
    container = run("import time; print('up'); time.sleep(600)")
    looks: list[threading.Thread] = []

    def connected() -> Engine:
        looks.append(threading.current_thread())
        if len(looks) == 1:
            raise Silence("No engine yet.")
        return engine

    monkeypatch.setattr(log_keeper, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(log_keeper, "_engine", connected)
    is_over = threading.Event()
    keepers = [threading.Thread(target=log_keeper.run, args=[is_over]) for _ in range(2)]
    try:
        for keeper in keepers:
            keeper.start()
        eventually(lambda: kept(tmp_path), what="a line")
    finally:
        is_over.set()
        for keeper in keepers:
            keeper.join(10)
        container.kill()
    assert len(set(looks)) == 1
    assert kept(tmp_path) == ["up"]
