"""A real HAProxy before real replicas, with the Django view behind it on the platform's own address."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import LazySettings

from accounts.access import Access
from accounts.models import Project
from models_registry.models import ModelVersion
from serving import queries, services
from serving.models import Replica, Serving
from serving.settings import Settings
from serving.states import ReplicaState
from tests.ports import free_port
from tests.waiting import eventually
from worker.gateway import installation, publishing
from worker.gateway.runtime import Away, Runtime

REPLICA = Path(__file__).with_name("replica.py")
DOMAIN = "example.test"


@pytest.fixture
def gateway_dir() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="hopyard-gateway-"))
    yield folder
    shutil.rmtree(folder)


@dataclass
class HAProxy:
    """The program on the gateway's folder."""

    port: int
    folder: Path
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def runtime(self) -> Runtime:
        return Runtime(self.folder)

    def start(self) -> None:
        self.process = subprocess.Popen(installation.command(), start_new_session=True)
        eventually(self.answers, what="an answer of HAProxy")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            eventually(self._has_no_workers, what="the end of HAProxy's workers")
            self.process = None

    def _has_no_workers(self) -> bool:
        """A master that is told to end while it reloads ends before they do."""
        assert self.process is not None
        command = ["ps", "-o", "stat=", "-s", str(self.process.pid)]
        states = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
        return all(state.startswith("Z") for state in states)

    def answers(self) -> bool:
        with contextlib.suppress(Away):
            return bool(self.runtime.structure())
        return False

    def workers(self) -> set[str]:
        """The ids of the processes that answer."""
        lines = self.runtime.ask("show info").splitlines()
        return {line for line in lines if line.startswith("Pid:")}


@pytest.fixture
def haproxy(gateway_dir: Path, live_server: Any, settings: LazySettings) -> Iterator[HAProxy]:
    """Not started yet, so that a test may write more settings."""
    if shutil.which("haproxy") is None:
        absent = "haproxy is not installed; the gateway cannot be tried without it"
        pytest.fail(absent) if os.environ.get("HOPYARD_REQUIRE_ALL") else pytest.skip(absent)
    settings.GATEWAY = "haproxy"
    settings.GATEWAY_DIR = gateway_dir
    settings.GATEWAY_DOMAIN = DOMAIN
    settings.GATEWAY_WEB = live_server.url.removeprefix("http://")
    settings.GATEWAY_STATS_BIND = f"127.0.0.1:{free_port()}"
    settings.ALLOWED_HOSTS = ["127.0.0.1", "localhost", "testserver", f".{DOMAIN}", f"hop.{DOMAIN}"]
    port = free_port()
    settings.BIND = f"127.0.0.1:{port}"
    found = HAProxy(port, gateway_dir)
    yield found
    found.stop()


@pytest.fixture
def started(haproxy: HAProxy) -> HAProxy:
    publishing.prepare()
    haproxy.start()
    return haproxy


@dataclass
class Field:
    """A serving and its replicas, which are processes that say what they got."""

    serving: Serving
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return f"/inference/{self.serving.project.name}/{self.serving.name}"

    def grow(self, *names: str, revision: int = 1) -> None:
        """Start replicas and have their rows say that they are ready."""
        for name in names:
            process = subprocess.Popen([sys.executable, str(REPLICA), name], stdout=subprocess.PIPE)
            assert process.stdout is not None
            address = f"127.0.0.1:{int(process.stdout.readline())}"
            process.stdout.close()
            self.processes[name] = process
            Replica.objects.create(
                serving=self.serving,
                name=name,
                revision=revision,
                slot=len(self.processes),
                attempt=1,
                state=ReplicaState.READY,
                address=address,
            )

    def kill(self, name: str) -> None:
        """As by `kill -9`: nobody is told."""
        self.processes[name].kill()
        self.processes[name].wait()

    def leave(self, *names: str) -> None:
        """What reconcile does before the deployer ends replicas."""
        self.serving.replicas.filter(name__in=names).update(state=ReplicaState.STOPPING)
        self.publish()

    def publish(self) -> None:
        self.serving = queries.serving(self.serving.project, self.serving.name)
        publishing.publish(self.serving)

    def end(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()


@pytest.fixture
def plant(
    owner: Access, project: Project, export: Callable[..., ModelVersion]
) -> Iterator[Callable[..., Field]]:
    """A serving with these replicas, wanted and ready, and published."""
    fields: list[Field] = []

    def make(*replicas: str, name: str = "iris") -> Field:
        if not fields:
            export()
        wanted = Settings(name=name, script="Models/iris/1/predictor.py")
        made, _ = services.create(access=owner, wanted=wanted)
        Serving.objects.filter(pk=made.pk).update(wanted_replicas=1, status="Running")
        fields.append(Field(queries.serving(project, name)))
        fields[-1].grow(*replicas)
        fields[-1].publish()
        return fields[-1]

    yield make
    for each in fields:
        each.end()


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=20) as client:
        yield client
