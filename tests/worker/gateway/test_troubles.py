"""What goes wrong for one serving, or for a while, is nobody else's loss and is mended when it is over."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from django.conf import LazySettings

from accounts.models import ApiKey
from serving.models import Revision
from tests.conftest import People
from tests.worker.gateway.conftest import Field, HAProxy
from worker.gateway import installation, ports, publishing

pytestmark = pytest.mark.django_db(transaction=True)
PREDICT = "/v1/models/iris:predict"


@pytest.fixture
def headers(people: People, key_of: Callable[..., tuple[ApiKey, str]]) -> dict[str, str]:
    return {"X-API-Key": key_of(people.bob)[1]}


@pytest.fixture
def elsewhere(plant: Callable[..., Field]) -> Callable[..., Field]:
    """A serving whose replicas run in containers, so that its port is the gateway's."""

    def make(name: str) -> Field:
        field = plant(f"{name}-0-1", name=name)
        field.serving.replicas.update(deployer="docker")
        Revision.objects.filter(serving=field.serving).update(deployer="docker")
        return field

    return make


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    """What another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def _long_ago(file: Path) -> None:
    os.utime(file, (time.time() - 120,) * 2)


def test_a_taken_port_costs_one_serving_its_port_and_others_nothing(
    elsewhere: Callable[..., Field],
    started: HAProxy,
    http: httpx.Client,
    headers: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    iris, rose = elsewhere("iris"), elsewhere("rose")
    publishing.publish_keys()
    with socket.create_server(("127.0.0.1", iris.serving.port)):
        iris.publish()
        rose.publish()
        iris.publish()
        assert caplog.text.count(f"Port {iris.serving.port} of garden.iris belongs to another program") == 1
        for url in (f"{started.url}{iris.path}", f"http://127.0.0.1:{rose.serving.port}"):
            assert http.post(f"{url}{PREDICT}", content=b"{}", headers=headers).status_code == 200
        started.stop()
        started.start()
    _long_ago(started.folder / "ports-taken")
    rose.publish()
    url = f"http://127.0.0.1:{iris.serving.port}{PREDICT}"
    assert http.post(url, content=b"{}", headers=headers).status_code == 200
    assert not (started.folder / "ports-taken").exists()


def test_a_port_that_is_taken_while_the_gateway_is_away_does_not_keep_it_from_starting(
    elsewhere: Callable[..., Field], started: HAProxy, http: httpx.Client, headers: dict[str, str]
) -> None:
    iris = elsewhere("iris")
    iris.publish()
    publishing.publish_keys()
    started.stop()
    with socket.create_server(("127.0.0.1", iris.serving.port)):
        _long_ago(started.folder / "wanted")
        iris.publish()
        started.start()
        url = f"{started.url}{iris.path}{PREDICT}"
        assert http.post(url, content=b"{}", headers=headers).status_code == 200


def test_what_the_gateway_holds_itself_is_not_taken(
    elsewhere: Callable[..., Field], started: HAProxy
) -> None:
    iris = elsewhere("iris")
    iris.publish()
    assert _listens(iris.serving.port)
    assert not ports.is_taken("127.0.0.1", iris.serving.port)


def test_what_was_refused_is_tried_again_after_a_minute(
    plant: Callable[..., Field],
    started: HAProxy,
    taken: socket.socket,
    http: httpx.Client,
    settings: LazySettings,
) -> None:
    iris = plant("r1-0-1")
    settings.GATEWAY_STATS_BIND = f"127.0.0.1:{taken.getsockname()[1]}"
    iris.publish()
    refused = started.folder / "refused"
    since = refused.stat().st_mtime
    taken.close()
    iris.publish()
    assert refused.stat().st_mtime == since
    _long_ago(refused)
    iris.publish()
    assert not refused.exists()
    assert http.get(f"http://{settings.GATEWAY_STATS_BIND}/metrics").status_code == 200


def test_a_port_stays_until_the_last_container_that_answers_is_gone(
    elsewhere: Callable[..., Field], started: HAProxy
) -> None:
    iris = elsewhere("iris")
    iris.publish()
    Revision.objects.update(deployer="local")
    iris.grow("local-0-1")
    iris.publish()
    assert _listens(iris.serving.port)
    iris.leave("iris-0-1")
    assert not _listens(iris.serving.port)


def test_preparing_beside_a_running_gateway_takes_no_replica_from_it(
    plant: Callable[..., Field], started: HAProxy
) -> None:
    plant("r1-0-1")
    publishing.prepare()
    workers = started.workers()
    plant(name="rose")
    assert started.workers() != workers
    assert set(started.runtime.servers(["garden.iris"])["garden.iris"]) == {"r1-0-1"}


def test_a_gateway_that_is_about_to_start_knows_no_replica_of_before(
    plant: Callable[..., Field], started: HAProxy
) -> None:
    plant("r1-0-1")
    started.stop()
    publishing.prepare()
    assert "r1-0-1" not in (started.folder / "haproxy.cfg").read_text()


def test_replicas_are_told_at_once_and_written_after_some_seconds(
    plant: Callable[..., Field], started: HAProxy
) -> None:
    iris = plant("r1-0-1")
    file = started.folder / "haproxy.cfg"
    os.utime(file)
    before = file.read_text()
    iris.grow("r1-1-1")
    iris.publish()
    assert set(started.runtime.servers(["garden.iris"])["garden.iris"]) == {"r1-0-1", "r1-1-1"}
    assert file.read_text() == before
    _long_ago(file)
    iris.publish()
    assert "r1-1-1" in file.read_text()


def test_a_start_from_a_file_that_is_behind_is_mended_by_the_next_call(
    plant: Callable[..., Field], started: HAProxy
) -> None:
    iris = plant("r1-0-1")
    os.utime(started.folder / "haproxy.cfg")
    iris.grow("r1-1-1")
    iris.publish()
    started.stop()
    started.start()
    iris.publish()
    assert set(started.runtime.servers(["garden.iris"])["garden.iris"]) == {"r1-0-1", "r1-1-1"}


def test_a_folder_that_lies_deep_has_room_for_its_socket(gateway_dir: Path, settings: LazySettings) -> None:
    settings.GATEWAY_DIR = gateway_dir / ("deep" * 20) / ("down" * 20)
    settings.GATEWAY_DIR.mkdir(parents=True)
    with closing(socket.socket(socket.AF_UNIX)) as web:
        web.bind(str(installation.web_socket()))
    assert (settings.GATEWAY_DIR / "web.sock").is_socket()


def test_a_haproxy_that_is_too_old_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: LazySettings
) -> None:
    program = tmp_path / "haproxy"
    program.write_text("#!/bin/sh\necho HA-Proxy version 2.2.9-2+deb11u6 2023/12/29\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    settings.GATEWAY = "auto"
    assert not installation.is_on()


def _listens(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0
