"""An engine that is away or hangs: what it costs to ask, and what is said of it."""

import contextlib
import gc
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker.errors import APIError
from requests import Response

from worker.deployers import engine
from worker.deployers.base import DeployerError, ReplicaStatus, ServingSpec
from worker.deployers.docker import DockerDeployer
from worker.deployers.several import PartlySeen, SeveralDeployers

KEY = "garden-sums-1"


class Silent:
    """Accepts every connection, and says nothing."""

    def __init__(self, path: Path) -> None:
        self.url = f"unix://{path}"
        self.asked: list[socket.socket] = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.asked.append(self.listener.accept()[0])

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()
        for each in self.asked:
            each.close()


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    engine.forget_silence()
    yield
    engine.forget_silence()


@pytest.fixture
def silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Silent]:
    monkeypatch.setattr(engine, "SECONDS_TO_LIST", 0.2)
    found = Silent(tmp_path / "docker.sock")
    yield found
    found.close()


def deployer(url: str, folder: Path) -> DockerDeployer:
    return DockerDeployer(url=url, installation="test", artifacts=folder / "a", starts=folder / "s")


def test_an_engine_that_hangs_is_asked_once_and_then_left_alone(silent: Silent, tmp_path: Path) -> None:
    hung = deployer(silent.url, tmp_path)
    for verb in (hung.status, hung.remove):
        with pytest.raises(DeployerError, match="does not answer") as caught:
            verb(KEY)
        assert (caught.value.code, caught.value.may_pass) == ("EngineUnreachable", True)
    assert len(silent.asked) == 2, "a knock and one question"


def test_after_its_rest_an_engine_is_asked_again(
    silent: Silent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "SECONDS_OF_REST", 0)
    hung = deployer(silent.url, tmp_path)
    for _ in range(2):
        with pytest.raises(DeployerError, match="does not answer"):
            hung.status(KEY)
    assert len(silent.asked) == 4


def test_an_engine_that_is_away_costs_no_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SECONDS_OF_REST", 0)
    away = deployer(f"unix://{tmp_path}/docker.sock", tmp_path)
    gc.collect()
    gc.disable()
    try:
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(20):
            with pytest.raises(DeployerError, match="does not answer"):
                away.status(KEY)
        assert len(list(Path("/proc/self/fd").iterdir())) == before
    finally:
        gc.enable()


@pytest.mark.parametrize(("status", "may_pass"), [(500, True), (503, True), (409, True), (400, False)])
def test_what_an_engine_refuses_for_a_reason_of_its_own_may_pass(status: int, may_pass: bool) -> None:
    response = Response()
    response.status_code = status
    with pytest.raises(DeployerError) as caught, engine.in_words("unix:///x", 7):
        raise APIError("no", response=response, explanation="the engine's words")
    said = caught.value
    assert (said.code, said.may_pass, said.revision) == ("EngineRefused", may_pass, 7)


class Here:
    """Runs one replica, which wrote nothing, and has removed what it is told to."""

    def __init__(self) -> None:
        self.removed: list[str] = []

    def apply(self, spec: ServingSpec) -> None: ...

    def status(self, name: str) -> list[ReplicaStatus]:
        return []

    def remove(self, name: str) -> None:
        self.removed.append(name)

    def logs(self, name: str, replica: str, since: object = None) -> list[str]:
        return []


def test_what_can_be_removed_is_although_another_engine_is_away(tmp_path: Path) -> None:
    here = Here()
    several = SeveralDeployers({"docker": deployer("tcp://127.0.0.1:9", tmp_path), "local": here})
    with pytest.raises(PartlySeen) as caught:
        several.remove(KEY)
    assert (caught.value.blind, here.removed) == ({"docker"}, [KEY])


def test_only_those_that_are_named_are_asked(tmp_path: Path) -> None:
    several = SeveralDeployers({"docker": deployer("tcp://127.0.0.1:9", tmp_path), "local": Here()})
    assert several.only("local").status(KEY) == []
    assert several.only("local", "nobody") is several
