"""The swarm deployer keeps the contract, and what only a Swarm can do wrong."""

import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest
from django.conf import settings
from docker.errors import APIError

from tests.waiting import eventually
from tests.worker.deployers.contract import (
    DeployerContract,
    Kill,
    Listing,
    MakeSpec,
    ended,
    living,
    predict,
    ready,
)
from tests.worker.deployers.swarm_parts import NETWORKS, Platform, Supplied, files_of, platform, swarm
from tests.worker.deployers.test_hostile import ATTEMPTS, MEMORY_MB, SCRIPT
from worker.deployers import containers
from worker.deployers.base import DeployerError, Phase, ReplicaStatus, ServingSpec
from worker.deployers.hardening import OPEN_FILES
from worker.deployers.swarm import SwarmDeployer
from worker.deployers.swarm_networks import Way

KEY = "garden-sums-1"
NOTHING = ServingSpec(name=KEY, host="", port=0, keys_file=Path())
LOOKS_AROUND = """
import os, pathlib, resource, socket
def tried(what):
    try:
        what()
    except OSError as error:
        return error.strerror or str(error)
    return "done"
class Predict:
    def predict(self, inputs):
        status = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
        return [{
            "uid": os.getuid(),
            "capabilities": int(status["CapEff"], 16) | int(status["CapBnd"], 16),
            "no new privileges": status["NoNewPrivs"],
            "root": tried(lambda: pathlib.Path("/etc/mark").write_text("x")),
            "work": tried(lambda: pathlib.Path("mark").write_text("x")),
            "fill": tried(lambda: pathlib.Path("/tmp/fill").write_bytes(bytes(400_000_000))),
            "files": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
            "processes": pathlib.Path("/proc/1/comm").read_text().strip(),
        }]
"""
WAYS_OUT = {"egress_tcp", "egress_udp", "names"}
CALLS_OUT = """
import socket
class Predict:
    def predict(self, inputs):
        try:
            socket.create_connection(tuple(inputs[0]), timeout=3).close()
        except OSError as error:
            return ["not reached"]
        return ["reached"]
"""


@pytest.fixture(scope="module", autouse=True)
def _swarm(docker_engine: docker.DockerClient) -> Iterator[None]:
    with swarm(docker_engine):
        yield


def container_of(engine: docker.DockerClient, replica: ReplicaStatus) -> Any:
    return engine.containers.get(replica.place.split()[1])


@dataclass(frozen=True)
class Neighbour:
    """A container on the replicas' network that gives out files, where an installation has its web and its gateway."""

    container: Any
    folder: Path

    @property
    def address(self) -> str:
        return str(self.container.attrs["NetworkSettings"]["Networks"][NETWORKS.attached]["IPAddress"])

    def ask(self, address: str, *words: object) -> str:
        """What a replica predicts when it is asked from here; empty if it gives no answer."""
        script = (
            "import json, sys, urllib.request\n"
            "url = f'http://{sys.argv[1]}/v1/models/sums:predict'\n"
            "request = urllib.request.Request(url, sys.argv[2].encode())\n"
            "request.add_header('X-Hopyard-Internal', 'let-me-in')\n"
            "request.add_header('Content-Type', 'application/json')\n"
            "print(json.load(urllib.request.urlopen(request, timeout=9))['predictions'][0], end='')\n"
        )
        done = self.container.exec_run(["python", "-c", script, address, json.dumps({"instances": [words]})])
        return str(done.output.decode()) if done.exit_code == 0 else ""


@pytest.fixture(scope="module")
def neighbour(
    docker_engine: docker.DockerClient, replica_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Neighbour]:
    """One for all tests: an overlay that comes back to a node as soon as it left may be attached to by halves."""
    folder = tmp_path_factory.mktemp("files")
    NETWORKS.ensure(docker_engine.api, NETWORKS.attached)
    container = docker_engine.containers.run(
        replica_image,
        ["python", "-m", "http.server", "8000", "--directory", "/files"],
        entrypoint=[],
        detach=True,
        init=True,
        network=NETWORKS.attached,
        volumes={str(folder): {"bind": "/files", "mode": "ro"}},
        user="0",
    )
    try:
        container.reload()  # its address
        yield Neighbour(container, folder)
    finally:
        container.remove(force=True)


class TestSwarmDeployer(DeployerContract):
    @pytest.fixture
    def runs_on(self, replica_image: str) -> dict[str, Any]:
        return {"python": Path(), "deployer": "swarm", "image": replica_image}

    @pytest.fixture
    def platform(self, docker_engine: docker.DockerClient) -> Iterator[Platform]:
        with platform(docker_engine) as parts:
            yield parts

    @pytest.fixture
    def another(self, platform: Platform) -> Callable[[], Supplied]:
        return lambda: Supplied(
            SwarmDeployer(
                url=settings.DOCKER_URL,
                installation=f"test-{os.getpid()}",
                networks=NETWORKS,
                grace_seconds=2,
            ),
            platform,
        )

    @pytest.fixture
    def deployer(
        self, another: Callable[[], Supplied], docker_engine: docker.DockerClient
    ) -> Iterator[Supplied]:
        deployer = another()
        yield deployer
        for name in (KEY, "garden-sums-10"):
            for replica in deployer.status(name):
                if replica.phase != Phase.EXITED and "container" in replica.place:
                    with contextlib.suppress(APIError):  # Swarm takes seconds to end it by itself
                        container_of(docker_engine, replica).kill()
            deployer.remove(name)

    @pytest.fixture
    def kill(self, docker_engine: docker.DockerClient) -> Kill:
        return lambda replica: container_of(docker_engine, replica).kill()

    @pytest.fixture
    def listing(self, platform: Platform) -> Listing:
        return platform.listing

    @pytest.fixture
    def stranger(
        self, docker_engine: docker.DockerClient, replica_image: str
    ) -> Iterator[Callable[[], bool]]:
        """A service of nobody we know, and one of another installation that has a serving of the same name."""
        theirs = containers.mine("another-installation", KEY)
        theirs |= {containers.REPLICA: "r1-0-1", containers.REVISION: "1", containers.COMPONENT: "predictor"}
        theirs |= {containers.SLOT: "0", containers.ATTEMPT: "1"}
        image = docker_engine.images.get(replica_image).id
        running = [
            docker_engine.services.create(
                image, ["sleep", "600"], name=f"stranger-{number}-{os.getpid()}", labels=labels, init=True
            )
            for number, labels in enumerate(({}, theirs))
        ]
        for each in running:
            eventually(lambda each=each: [task["Status"]["State"] for task in each.tasks()] == ["running"])
        versions = [docker_engine.services.get(each.id).version for each in running]

        def is_untouched() -> bool:
            now = [docker_engine.services.get(each.id) for each in running]
            states = [[task["Status"]["State"] for task in each.tasks()] for each in now]
            return [each.version for each in now] == versions and states == [["running"]] * 2

        yield is_untouched
        for each in running:
            each.remove()

    def test_a_replica_runs_as_nobody_within_its_limits(
        self, deployer: Supplied, spec: MakeSpec, docker_engine: docker.DockerClient
    ) -> None:
        deployer.apply(spec(0, script=LOOKS_AROUND, cores=0.5, memory_mb=512))
        replica = ready(deployer, 1)[0]
        assert predict(replica.address) == [
            {
                "uid": 10001,
                "capabilities": 0,
                "no new privileges": "1",
                "root": "Read-only file system",
                "work": "done",
                "fill": "No space left on device",
                "files": OPEN_FILES,
                "processes": "docker-init",
            }
        ]
        limits = container_of(docker_engine, replica).attrs["HostConfig"]
        assert (limits["NanoCpus"], limits["PidsLimit"]) == (500_000_000, 320)
        assert 512 <= limits["Memory"] / 2**20 < 520, "its own memory, and a little for the files"
        assert limits["LogConfig"]["Config"]["max-size"] == "10m"
        assert (limits["Privileged"], limits["PidMode"], limits["Binds"]) == (False, "", None)

    def test_a_hostile_model_gets_hold_of_nothing_but_its_own_copies(
        self, deployer: Supplied, spec: MakeSpec
    ) -> None:
        """Files that a replica fetches into memory are its user's own, unlike those that are mounted. The way out of
        the network is tested below.
        """
        deployer.apply(spec(0, script=SCRIPT, memory_mb=MEMORY_MB))
        address = ready(deployer, 1)[0].address
        tries = {name: words for name, words in ATTEMPTS.items() if name not in WAYS_OUT}
        answers = {name: attempted(address, name, *words) for name, words in tries.items()}
        found = {name: answer for name, answer in answers.items() if not answer.startswith("shut")}
        assert found.keys() == {"change_files"}, found

    def test_each_exemption_opens_its_own_door(self, deployer: Supplied, spec: MakeSpec) -> None:
        open_ = frozenset({"writable-root", "root-user"})
        deployer.apply(spec(0, script=LOOKS_AROUND, memory_mb=512, exemptions=open_))
        found: Any = predict(ready(deployer, 1)[0].address)
        assert (found[0]["uid"], found[0]["root"]) == (0, "done")
        assert (found[0]["capabilities"], found[0]["no new privileges"]) == (0, "1")

    def test_a_replica_that_no_node_has_room_for_says_so_and_can_be_ended(
        self, deployer: Supplied, spec: MakeSpec
    ) -> None:
        deployer.apply(spec(0, memory_mb=100_000_000))
        said = eventually(lambda: deployer.status(KEY)[0].said)
        assert said is not None
        assert said["code"] == "CannotBeScheduled"
        assert "insufficient resources on" in said["reason"]
        assert [(each.phase, each.address) for each in deployer.status(KEY)] == [(Phase.ALIVE, "")]
        deployer.apply(spec())
        how = eventually(lambda: ended(deployer))[0].exit
        assert how is not None
        assert (how.was_asked, how.code, how.failure) == (True, None, None)

    def test_a_node_that_cannot_get_the_image_is_a_named_failure(
        self, deployer: Supplied, spec: MakeSpec
    ) -> None:
        deployer.apply(spec(0, image="localhost:1/nobody/has:1"))
        how = eventually(lambda: ended(deployer))[0].exit
        assert how is not None
        assert how.failure is not None
        assert how.failure["code"] == "ImageMissing"
        assert "HOPYARD_IMAGE_REGISTRY" in how.failure["reason"]

    def test_an_image_that_only_a_public_registry_could_have_is_not_asked_for(
        self, deployer: Supplied, spec: MakeSpec
    ) -> None:
        with pytest.raises(DeployerError) as caught:
            deployer.apply(spec(0, image="hopyard/environment:nobody-built-it"))
        assert caught.value.code == "ImageMissing"
        assert deployer.status(KEY) == []

    def test_that_a_replica_was_told_to_end_is_known_to_a_fresh_process_before_and_after(
        self, deployer: Supplied, another: Callable[[], Supplied], spec: MakeSpec
    ) -> None:
        deployer.apply(spec(0))
        ready(deployer, 1)
        deployer.apply(spec())
        assert [each.phase for each in another().status(KEY)] == [Phase.STOPPING]
        how = eventually(lambda: ended(another()))[0].exit
        assert how is not None
        assert (how.was_asked, how.code) == (True, 0)

    def test_a_container_that_somebody_removed_counts_as_killed(
        self, deployer: Supplied, spec: MakeSpec, docker_engine: docker.DockerClient
    ) -> None:
        deployer.apply(spec(0))
        container_of(docker_engine, ready(deployer, 1)[0]).remove(force=True)
        how = eventually(lambda: ended(deployer))[0].exit
        assert how is not None
        assert (how.signal, how.was_asked) == (9, False)

    def test_a_service_that_somebody_removed_is_gone_and_its_number_not_given_again(
        self, deployer: Supplied, spec: MakeSpec, docker_engine: docker.DockerClient
    ) -> None:
        deployer.apply(spec(0))
        victim = ready(deployer, 1)[0]
        mine = {"label": [f"{containers.INSTALLATION}=test-{os.getpid()}"]}
        for service in docker_engine.api.services(filters=mine):
            docker_engine.api.remove_service(service["ID"])
        assert deployer.status(KEY) == []
        deployer.apply(replace(spec(0), ended=frozenset({victim.name})))
        assert [each.attempt for each in living(deployer)] == [2]

    def test_a_service_of_somebody_else_that_has_the_name_is_a_named_failure(
        self, deployer: Supplied, spec: MakeSpec, docker_engine: docker.DockerClient, replica_image: str
    ) -> None:
        deployer.apply(spec(0))
        name = docker_engine.api.services(filters={"label": [f"{containers.SERVING}={KEY}"]})[0]["Spec"][
            "Name"
        ]
        deployer.remove(KEY)
        image = docker_engine.images.get(replica_image).id
        theirs = docker_engine.services.create(image, ["sleep", "600"], name=name)
        try:
            with pytest.raises(DeployerError, match="not this installation's") as caught:
                deployer.apply(spec(0))
        finally:
            theirs.remove()
        assert caught.value.code == "NameTaken"

    def test_a_published_replica_is_not_kept_from_calling_out_and_the_deployer_says_so(
        self, deployer: Supplied, spec: MakeSpec, platform: Platform
    ) -> None:
        deployer.apply(spec(0, script=CALLS_OUT))
        assert attempted(ready(deployer, 1)[0].address, platform.host, platform.port) == "reached"
        assert not deployer.deployer.prevents_egress

    def test_a_published_replica_reaches_its_neighbour_as_a_transformer_its_predictors(
        self, deployer: Supplied, spec: MakeSpec
    ) -> None:
        deployer.apply(spec(0, 1, script=CALLS_OUT))
        one, other = ready(deployer, 2)
        host, _, port = other.address.partition(":")
        assert attempted(one.address, host, int(port)) == "reached"

    def test_whoever_reaches_a_published_port_gets_no_prediction_without_the_token(
        self, deployer: Supplied, spec: MakeSpec
    ) -> None:
        deployer.apply(spec(0))
        url = f"http://{ready(deployer, 1)[0].address}/v1/models/sums:predict"
        for headers in ({}, {"X-Hopyard-Internal": "guessed"}):
            answer = httpx.post(url, json={"instances": [[1, 2]]}, headers=headers, trust_env=False)
            assert answer.status_code == 401

    @pytest.mark.parametrize(("exemptions", "found"), [(set(), "not reached"), ({"egress"}, "reached")])
    def test_an_attached_replica_is_reached_from_its_network_and_reaches_nothing_else_unless_excepted(
        self,
        exemptions: set[str],
        found: str,
        deployer: Supplied,
        spec: MakeSpec,
        platform: Platform,
        neighbour: Neighbour,
    ) -> None:
        attached = replace(deployer.deployer, way=Way.ATTACHED)
        assert attached.prevents_egress
        wanted = spec(0, script=CALLS_OUT, exemptions=frozenset(exemptions))
        (neighbour.folder / "files.tar").write_bytes(files_of(wanted.revisions[0]))
        url = f"http://{neighbour.address}:8000/files.tar"
        attached.apply(replace(wanted, revisions=(replace(wanted.revisions[0], files_url=url),)))
        address = eventually(lambda: attached.status(KEY)[0].address)
        assert eventually(lambda: neighbour.ask(address, neighbour.address, 8000)) == "reached"
        assert neighbour.ask(address, platform.host, platform.port) == found


def attempted(address: str, *words: object) -> str:
    answer = httpx.post(
        f"http://{address}/v1/models/sums:predict",
        json={"instances": [words]},
        headers={"X-Hopyard-Internal": "let-me-in"},
        timeout=60,
        trust_env=False,
    )
    answer.raise_for_status()
    return str(answer.json()["predictions"][0])


class TestWithoutAManager:
    def test_an_engine_that_manages_no_swarm_says_what_to_do(self) -> None:
        words = b'{"message": "This node is not a swarm manager. Use \\"docker swarm init\\" to connect."}'

        class Engine(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                is_version = self.path.endswith("/version")
                self.send_response(200 if is_version else 503)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(b'{"ApiVersion": "1.41", "MinAPIVersion": "1.12"}' if is_version else words)

            def log_message(self, *args: object) -> None:
                pass

        with HTTPServer(("127.0.0.1", 0), Engine) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            deployer = SwarmDeployer(url=f"tcp://127.0.0.1:{server.server_port}", installation="test")
            with pytest.raises(DeployerError, match="docker swarm init") as caught:
                deployer.apply(NOTHING)
            server.shutdown()
        assert caught.value.code == "NotASwarmManager"

    def test_an_engine_that_does_not_answer_is_a_named_failure(self, free_port: int) -> None:
        deployer = SwarmDeployer(url=f"tcp://127.0.0.1:{free_port}", installation="test")
        with pytest.raises(DeployerError) as caught:
            deployer.status(KEY)
        assert caught.value.code == "EngineUnreachable"
