"""Answers in pieces through the web server as it runs: gunicorn, with a replica that waits for the test."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.ports import free_port
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
SECONDS = 20.0
SETUP = """
import sys
import django
django.setup()
from accounts import access, services as accounts
from accounts.models import Member, User
from models_registry import services as registry, storage
from serving import services
from serving.models import Replica
from serving.settings import Settings

user = User.objects.create_user("ann")
project = accounts.create_project(name="garden", owner=user)
own = access.of_member(Member.objects.get(project=project, user=user), None)
draft = registry.start_upload(access=own, model_name="iris")
registry.add_file(draft=draft, path="predictor.py", blob=storage.receive([b"class Predict: ..."]))
registry.finalise(access=own, draft=draft)
made, _ = services.create(access=own, wanted=Settings(name="iris", script="Models/iris/1/predictor.py"))
Replica.objects.create(serving=made, name="r1", revision=1, slot=0, attempt=1, state="Ready", address=sys.argv[1])
print(accounts.create_key(access=own, name="k", scopes=["predict"])[1])
"""


@dataclass
class SlowReplica:
    """Accepts one request and answers when and as the test says."""

    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def address(self) -> str:
        host, port = self.listener.getsockname()
        return f"{host}:{port}"

    def accept(self) -> socket.socket:
        self.listener.settimeout(SECONDS)
        connection, _ = self.listener.accept()
        connection.settimeout(SECONDS)
        received = b""
        while not received.endswith(b"{}"):
            received += connection.recv(65536)
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"
        connection.sendall(head)
        return connection


def piece(data: bytes) -> bytes:
    return b"%X\r\n%b\r\n" % (len(data), data)


@dataclass(frozen=True)
class Web:
    url: str
    key: str
    replica: SlowReplica

    def asked(self) -> tuple[socket.socket, socket.socket]:
        """The caller's connection, on which a request was sent, and the replica's, which got it."""
        host, port = self.url.removeprefix("http://").split(":")
        caller = socket.create_connection((host, int(port)), SECONDS)
        head = f"POST /inference/garden/iris/v1/models/iris:predict HTTP/1.1\r\nHost: {host}\r\n"
        caller.sendall(f"{head}X-API-Key: {self.key}\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        return caller, self.replica.accept()


def until(connection: socket.socket, end: bytes) -> bytes:
    received = b""
    while not received.endswith(end):
        data = connection.recv(65536)
        assert data, received
        received += data
    return received


def rest_of(connection: socket.socket) -> bytes:
    """All that comes before the connection ends, however it does."""
    received = b""
    try:
        while data := connection.recv(65536):
            received += data
    except ConnectionResetError:
        pass
    return received


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    replica = SlowReplica()
    bind = f"127.0.0.1:{free_port()}"
    own = {
        "HOPYARD_DATA_DIR": str(tmp_path_factory.mktemp("web")),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    environment = os.environ | own

    def run(*arguments: str) -> str:
        command = [sys.executable, *arguments]
        return subprocess.run(command, check=True, cwd=ROOT, env=environment, stdout=-1, text=True).stdout

    run("manage.py", "migrate", "--verbosity", "0")
    key = run("-c", SETUP, replica.address).split()[-1]
    arguments = [
        "-m",
        "gunicorn",
        "config.wsgi",
        "--bind",
        bind,
        "--worker-class",
        "gthread",
        "--threads",
        "8",
    ]
    gunicorn = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment)
    try:
        eventually(lambda: answers(bind), seconds=60, what="a web server")
        yield Web(f"http://{bind}", key, replica)
    finally:
        gunicorn.terminate()
        gunicorn.wait(SECONDS)
        replica.listener.close()


def answers(bind: str) -> bool:
    try:
        return httpx.get(f"http://{bind}/health/", trust_env=False).is_success
    except httpx.HTTPError:
        return False


def test_each_piece_arrives_before_the_next_one_is_made(web: Web) -> None:
    caller, replica = web.asked()
    with caller, replica:
        replica.sendall(piece(b'{"row": 1}\n'))
        first = until(caller, piece(b'{"row": 1}\n'))
        assert b"transfer-encoding: chunked" in first.lower()
        assert b"content-type: application/x-ndjson" in first.lower()
        replica.sendall(piece(b'{"row": 2}\n') + piece(b""))
        assert until(caller, b"0\r\n\r\n") == piece(b'{"row": 2}\n') + b"0\r\n\r\n"


def test_a_caller_that_leaves_ends_the_connection_to_the_replica(web: Web) -> None:
    caller, replica = web.asked()
    with replica:
        replica.sendall(piece(b"1"))
        until(caller, piece(b"1"))
        caller.close()
        assert eventually(lambda: is_left(replica), seconds=SECONDS)


def is_left(replica: socket.socket) -> bool:
    """Whether sending on fails, as it does once nobody listens."""
    try:
        replica.sendall(piece(b"more"))
    except OSError:
        return True
    return False


def test_an_answer_that_breaks_off_is_not_passed_for_a_whole_one(web: Web) -> None:
    caller, replica = web.asked()
    with caller:
        replica.sendall(piece(b"1"))
        until(caller, piece(b"1"))
        replica.close()
        assert rest_of(caller) == b"", "no last chunk"


def test_streams_give_their_places_back_however_they_end(web: Web) -> None:
    for number in range(30):  # more than there are places, and than there are threads
        caller, replica = web.asked()
        with caller, replica:
            replica.sendall(piece(b"1"))
            assert until(caller, piece(b"1")).startswith(b"HTTP/1.1 200"), number
            if number % 2:
                replica.sendall(piece(b""))
                until(caller, b"0\r\n\r\n")
            else:
                replica.close()
                assert rest_of(caller) == b""
