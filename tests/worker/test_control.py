"""Where replicas in containers reach the platform, and what their specifications say of it."""

import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import docker
import pytest
from django.conf import LazySettings

from serving import preflights
from serving.models import Serving
from serving.replica_documents import tokens
from serving.states import Component
from tests.engine import docker_engine  # noqa: F401 - a fixture
from tests.waiting import eventually
from worker import control, specs, supervisor
from worker import preflight as making
from worker.deployers import engine
from worker.deployers.base import DeployerError, File, RevisionSpec

SHARES = {1: ((Component.PREDICTOR, 0),)}


@pytest.fixture
def network(docker_engine: docker.DockerClient, settings: LazySettings) -> Iterator[str]:  # noqa: F811
    """A network of our own, made by what is tested."""
    settings.REPLICA_NETWORK = name = f"hopyard-test-{uuid.uuid4().hex[:8]}"
    settings.CONTROL_URL = ""
    settings.DEPLOYERS = ["local", "docker"]
    settings.CONTROL_PORT = 18_431
    yield name
    engine.lister(settings.DOCKER_URL).close()
    engine.client.cache_clear()
    control.gateways.forget()
    for found in docker_engine.networks.list(names=[name]):
        found.remove()


def test_the_address_is_that_of_this_machine_on_the_network_of_replicas(
    network: str,
    docker_engine: docker.DockerClient,  # noqa: F811
) -> None:
    address = control.bind()
    assert address is not None
    assert control.base() == f"http://{address}"
    made = docker_engine.networks.get(network)
    assert made.attrs["Internal"] is True
    assert made.attrs["IPAM"]["Config"][0]["Gateway"] == address.rpartition(":")[0]


def test_a_container_that_reaches_nothing_else_reaches_it(
    network: str,
    docker_engine: docker.DockerClient,  # noqa: F811
) -> None:
    host, _, port = (control.bind() or "").rpartition(":")
    server = HTTPServer((host, int(port)), Hello)
    threading.Thread(target=server.serve_forever, daemon=True, kwargs={"poll_interval": 0.01}).start()
    ask = f"import urllib.request as u; print(u.urlopen('{control.base()}/', timeout=10).read().decode())"
    try:
        said = docker_engine.containers.run(
            "python:3.11-slim", ["python3", "-c", ask], network=network, remove=True
        )
    finally:
        server.shutdown()
        server.server_close()
    assert said.decode().strip() == "hello"


class Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None: ...


def test_an_address_that_was_given_is_used_and_nothing_more_is_bound(settings: LazySettings) -> None:
    settings.CONTROL_URL = "http://web:8000"
    settings.DEPLOYERS = ["docker"]
    assert (control.base(), control.bind()) == ("http://web:8000", None)


def test_without_containers_nothing_more_is_bound(settings: LazySettings) -> None:
    settings.DEPLOYERS = ["local"]
    assert control.bind() is None


def test_an_engine_that_is_away_is_said_and_not_remembered(settings: LazySettings) -> None:
    settings.CONTROL_URL = ""
    settings.DEPLOYERS = ["docker"]
    settings.DOCKER_URL = "tcp://127.0.0.1:9"
    assert control.bind() is None
    with pytest.raises(DeployerError, match="does not answer"):
        control.base()


@pytest.fixture
def web() -> Iterator[supervisor.Program]:
    """Stands for the web: it says where it was told to listen, and lives."""
    script = "import sys, time; print(sys.argv[1:], flush=True); time.sleep(600)"
    program = supervisor.Program("web", [sys.executable, "-c", script])
    program.start()
    yield program
    program.stop()


def test_the_web_listens_once_the_engine_is_there(
    network: str, web: supervisor.Program, settings: LazySettings
) -> None:
    url, settings.DOCKER_URL = settings.DOCKER_URL, "unix:///nonexistent/docker.sock"
    web.also_at = control.bind()
    supervisor.follow_network([web])
    first = web.process
    assert (web.also_at, control.moved(None)) == (None, None)
    settings.DOCKER_URL = url
    supervisor.follow_network([web])
    assert f"http://{web.also_at}" == control.base()
    assert web.process is not None
    assert web.process is not first
    told = Path(f"/proc/{web.process.pid}/cmdline")
    eventually(lambda: web.also_at in told.read_bytes().decode().split("\0"))
    last = web.process
    supervisor.follow_network([web])
    assert web.process is last, "it is not disturbed while nothing changes"


def test_an_engine_that_goes_away_takes_no_address_away(settings: LazySettings) -> None:
    settings.CONTROL_URL = ""
    settings.DEPLOYERS = ["docker"]
    settings.DOCKER_URL = "unix:///nonexistent/docker.sock"
    assert control.moved("172.19.0.1:8001") is None


def contents(share: RevisionSpec) -> tokens.Contents:
    return tokens.read(parse_qs(urlsplit(share.files_url).query)["token"][0])


def test_a_replica_in_a_container_is_told_where_its_documents_are(
    create: Callable[..., Serving], settings: LazySettings
) -> None:
    made = create()
    settings.CONTROL_URL, settings.DEPLOYER = "http://web:8000", "docker"
    (share,) = specs.serving_spec(made, SHARES).revisions
    assert share.control_url == f"http://web:8000/replicas/{made.key}" == specs.control_url(made)
    assert share.files_url.startswith("http://web:8000/replicas/files/?token=")
    assert contents(share) == tokens.Contents(share.artifact, ())
    beside = File("Resources/other.py", "a" * 64, share.files[0].open)
    assert contents(specs.fetchable(replace(share, script=beside))).scripts == (("other.py", "a" * 64),)


def test_a_preflight_in_a_container_fetches_its_files_and_logs_nothing(
    create: Callable[..., Serving], settings: LazySettings
) -> None:
    settings.CONTROL_URL, settings.DEPLOYER = "http://web:8000", "docker"
    preflight = create().current.preflight
    assert preflight is not None
    (share,) = making._spec(preflight, preflights.revision_of(preflight)).revisions
    assert contents(share).artifact == share.artifact
    assert (share.control_url, share.environment.get("HOPYARD_TOPIC")) == ("", None)


def test_a_process_of_this_machine_needs_neither(create: Callable[..., Serving]) -> None:
    (share,) = specs.serving_spec(create(), SHARES).revisions
    assert (share.files_url, share.control_url) == ("", "")
