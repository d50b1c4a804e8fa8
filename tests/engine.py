"""The Docker engine of the tests, found or started, and the images they share.

`from tests.engine import docker_engine, replica_image` in a conftest makes the two fixtures known there.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from django.conf import settings
from docker.errors import ImageNotFound

from serving.environments import platform_packages
from tests.parts import skip_or_fail
from tests.waiting import eventually
from worker.environments.problems import EnvironmentProblem
from worker.images import build, host
from worker.images import engine as engines

CACHE = Path.home() / ".cache" / "hopyard-tests"
PYTHON_IMAGE = "python:3.11-slim"
PYTHON_ARCHIVE = CACHE / "python-3.11-slim.tar"  # as tests/setup.sh leaves it
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
SECONDS_TO_START = 60
daemons: list[
    subprocess.Popen[bytes]
] = []  # those this process started; another one may be the last to need them


def running_engine() -> docker.DockerClient | None:
    """A client of the engine that answers, if one does."""
    try:
        with engines.connected(settings.DOCKER_URL) as asked:
            asked.ping()
    except EnvironmentProblem:
        return None
    return docker.DockerClient(settings.DOCKER_URL, timeout=600)


@contextlib.contextmanager
def engine() -> Iterator[docker.DockerClient]:
    """The engine that runs here, or one of our own, which ends with the last test process that uses it."""
    with _started():
        client = running_engine()
        if client is None:
            skip_or_fail(f"no Docker engine answers at {settings.DOCKER_URL} and none could be started here")
        assert client is not None
        with contextlib.closing(client):
            yield client


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[docker.DockerClient]:
    """An engine that has a Python image to build on."""
    with engine() as client:
        _import_python(client)
        yield client


@pytest.fixture(scope="session")
def replica_image(docker_engine: docker.DockerClient) -> str:
    """An image with the packages that a serving gets which asks for none."""
    own = platform_packages.now()
    if not own.lock:
        skip_or_fail("the replicas' environment has no lock; run make setup")
    order = host.order(own.key, own.python, own.lock)
    return build.build(docker_engine, order, lambda line: None).reference


def _import_python(client: docker.DockerClient) -> None:
    try:
        client.images.get(PYTHON_IMAGE)
    except ImageNotFound:
        if not PYTHON_ARCHIVE.exists():
            skip_or_fail(f"the engine has no image {PYTHON_IMAGE}; pull it, or run sh tests/setup.sh")
        _take(client, PYTHON_IMAGE)


def _take(client: docker.DockerClient, name: str) -> None:
    """Package installers in builds trust what this host trusts."""
    repository, _, tag = name.partition(":")
    trusts = [f"ENV SSL_CERT_FILE={CERTIFICATES}"] if Path(CERTIFICATES).exists() else []
    changes = [*trusts, 'CMD ["python3"]']
    client.api.import_image_from_file(str(PYTHON_ARCHIVE), repository, tag, changes)


@contextlib.contextmanager
def _started() -> Iterator[None]:
    """Everybody who needs the engine shares a lock; who can have it alone in the end was the last one."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "engine.lock").open("w") as users, (CACHE / "engine.start").open("w") as starting:
        with _locked(starting):
            fcntl.flock(users, fcntl.LOCK_SH)
            if (client := running_engine()) is not None:
                client.close()
            elif _can_start():
                _start()
        try:
            yield
        finally:
            with _locked(starting), contextlib.suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _stop()


@contextlib.contextmanager
def _locked(file: object) -> Iterator[None]:
    fcntl.flock(file, fcntl.LOCK_EX)  # type: ignore[arg-type]
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)  # type: ignore[arg-type]


def _can_start() -> bool:
    is_default = settings.DOCKER_URL == "unix:///var/run/docker.sock"
    return is_default and os.geteuid() == 0 and shutil.which("dockerd") is not None


def _start() -> None:
    """With data of its own, and nothing of the test run's open, so that nobody waits for its end."""
    command = ["dockerd", "--data-root", str(CACHE / "docker"), "--pidfile", str(CACHE / "docker.pid")]
    with (CACHE / "dockerd.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    daemons.append(process)

    def answers() -> bool:
        if (client := running_engine()) is None:
            return process.poll() is not None
        client.close()
        return True

    eventually(answers, seconds=SECONDS_TO_START, what="an answer of dockerd")
    if process.poll() is not None:
        tail = (CACHE / "dockerd.log").read_text(errors="replace").splitlines()[-3:]
        skip_or_fail(f"dockerd could not be started: {' / '.join(tail)}")


def _stop() -> None:
    """End the engine that we started; somebody else's has no such file."""
    try:
        pid = int((CACHE / "docker.pid").read_text())
    except (OSError, ValueError):
        return
    if "dockerd" not in _command(pid):
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        eventually(
            lambda: "dockerd" not in _command(pid), seconds=SECONDS_TO_START, what="the end of dockerd"
        )
    for process in daemons:
        process.wait(SECONDS_TO_START)


def _command(pid: int) -> str:
    """What runs under that id; empty if nothing does, or its end has not been noticed yet."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""
