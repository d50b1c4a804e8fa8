"""A model that tries every way out of its container finds all of them shut, and each exemption opens one."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest
from django.conf import settings

from tests.engine import skip_or_fail
from tests.waiting import eventually
from tests.worker.deployers.containers import NETWORKS, networks_of_the_run
from tests.worker.deployers.contract import DeployerContract, MakeSpec, ended, ready
from worker.deployers.docker import DockerDeployer

SCRIPT = Path(__file__).with_name("hostile.py").read_text()
OUTSIDE, HERE, PORT = "198.51.100.2", "198.51.100.1", 9053
ECHO = """
import socket, threading
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("198.51.100.2", 9053))
tcp = socket.create_server(("198.51.100.2", 9053))
def echo():
    while True:
        text, who = udp.recvfrom(16)
        udp.sendto(text, who)
threading.Thread(target=echo, daemon=True).start()
print("ready", flush=True)
while True:
    client, _ = tcp.accept()
    with client:
        client.sendall(client.recv(16))
"""
MEMORY_MB = 256
ATTEMPTS: dict[str, tuple[object, ...]] = {
    "write_root": (),
    "change_files": (),
    "become_root": (),
    "capabilities": (),
    "mount": (),
    "talk_to_the_engine": (),
    "raw_socket": (),
    "egress_tcp": (OUTSIDE, PORT),
    "egress_udp": (OUTSIDE, PORT),
    "names": (OUTSIDE, PORT),
    "write_kernel_settings": (),
    "privileged_calls": (),
    "devices": (),
    "new_namespaces": (),
    "other_processes": (),
    "other_files": (),
    "kill_init": (),
    "processes": (),
    "open_files": (),
    "fill": (MEMORY_MB // 2,),
    "dump_core": (),
}


@dataclass(frozen=True)
class Hostile:
    """A replica of the script, and what it answers."""

    deployer: DockerDeployer
    address: str

    def try_(self, name: str, *arguments: object) -> str:
        answer = httpx.post(
            f"http://{self.address}/v1/models/sums:predict",
            json={"instances": [[name, *arguments]]},
            headers={"X-Hopyard-Internal": "let-me-in"},
            timeout=60,
            trust_env=False,
        )
        answer.raise_for_status()
        found: str = answer.json()["predictions"][0]
        return found

    def all_that_is_open(self) -> dict[str, str]:
        answers = {name: self.try_(name, *arguments) for name, arguments in ATTEMPTS.items()}
        return {name: answer for name, answer in answers.items() if not answer.startswith("shut")}


@pytest.fixture(scope="module", autouse=True)
def _networks(docker_engine: docker.DockerClient) -> Iterator[None]:
    with networks_of_the_run(docker_engine):
        yield


@pytest.fixture(scope="module")
def outside() -> Iterator[None]:
    """Another machine: a network namespace beyond this host, with a server that sends back what it gets."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        skip_or_fail("only root can make another machine with `ip netns`")
    with _machine(f"hopyard-{os.getpid()}") as inside:
        server = subprocess.Popen([*inside, sys.executable, "-c", ECHO], stdout=subprocess.PIPE)
        with server:
            assert server.stdout is not None
            assert server.stdout.readline() == b"ready\n"
            yield
            server.kill()


@contextmanager
def _machine(name: str) -> Iterator[list[str]]:
    near, far = f"hn{os.getpid()}", f"hf{os.getpid()}"
    inside = ["ip", "netns", "exec", name]
    try:
        for command in (
            ["ip", "netns", "add", name],
            ["ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns", name],
            ["ip", "address", "add", f"{HERE}/30", "dev", near],
            ["ip", "link", "set", near, "up"],
            [*inside, "ip", "address", "add", f"{OUTSIDE}/30", "dev", far],
            [*inside, "ip", "link", "set", far, "up"],
            [*inside, "ip", "route", "add", "default", "via", HERE],
        ):
            subprocess.run(command, check=True, capture_output=True)
        yield inside
    finally:
        subprocess.run(["ip", "link", "delete", near], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


class TestHostileModel:
    spec = DeployerContract.spec

    @pytest.fixture
    def runs_on(self, replica_image: str) -> dict[str, Any]:
        return {"python": Path(), "deployer": "docker", "image": replica_image, "memory_mb": MEMORY_MB}

    @pytest.fixture
    def deployer(self, tmp_path: Path) -> Iterator[DockerDeployer]:
        found = DockerDeployer(
            url=settings.DOCKER_URL,
            installation=f"test-{os.getpid()}",
            artifacts=tmp_path / "artifacts",
            starts=tmp_path / "starts",
            networks=NETWORKS,
            grace_seconds=2,
        )
        yield found
        found.remove("garden-sums-1")

    @pytest.fixture
    def hostile(self, deployer: DockerDeployer, spec: MakeSpec) -> Callable[..., Hostile]:
        def start(*exemptions: str, **limits: Any) -> Hostile:
            deployer.apply(spec(0, script=SCRIPT, exemptions=frozenset(exemptions), **limits))
            return Hostile(deployer, ready(deployer, 1)[0].address)

        return start

    @pytest.mark.usefixtures("outside")
    def test_every_way_out_is_shut(self, hostile: Callable[..., Hostile]) -> None:
        assert hostile().all_that_is_open() == {}

    @pytest.mark.usefixtures("outside")
    def test_the_exemption_egress_opens_the_way_to_other_machines_alone(
        self, hostile: Callable[..., Hostile]
    ) -> None:
        assert hostile("egress").all_that_is_open().keys() - {"names"} == {"egress_tcp", "egress_udp"}

    @pytest.mark.usefixtures("outside")
    def test_the_exemption_writable_root_opens_the_root_file_system_alone(
        self, hostile: Callable[..., Hostile]
    ) -> None:
        opened = hostile("writable-root").all_that_is_open()
        assert opened.keys() == {"write_root", "fill"}
        assert opened["fill"] == "open: ['/var/tmp']"

    @pytest.mark.usefixtures("outside")
    def test_the_exemption_root_user_makes_the_user_root_without_any_of_its_powers(
        self, hostile: Callable[..., Hostile]
    ) -> None:
        assert hostile("root-user").all_that_is_open() == {"become_root": "open: is root"}

    def test_the_limits_of_the_revision_are_those_of_the_kernel(
        self, hostile: Callable[..., Hostile]
    ) -> None:
        found = hostile(cores=0.5).try_("limits")
        assert f"'memory': '{MEMORY_MB * 1024 * 1024}'" in found
        assert "'quota': '50000'" in found
        assert "'processes': '320'" in found

    def test_a_model_that_eats_all_memory_ends_alone_and_it_is_told_why(
        self, hostile: Callable[..., Hostile], deployer: DockerDeployer
    ) -> None:
        with pytest.raises(httpx.HTTPError):
            hostile().try_("eat_memory")
        gone = eventually(lambda: ended(deployer))[0]
        assert gone.exit is not None
        assert gone.exit.out_of_memory
