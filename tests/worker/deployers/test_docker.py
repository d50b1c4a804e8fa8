"""The docker deployer keeps the contract, and what only an engine can do wrong."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import pytest
from django.conf import settings
from docker.errors import NotFound

from tests.waiting import eventually
from tests.worker.deployers.containers import NETWORKS, networks_of_the_run, platform
from tests.worker.deployers.contract import (
    ADDS,
    DeployerContract,
    Kill,
    Listing,
    MakeSpec,
    ended,
    living,
    ready,
)
from tests.worker.deployers.test_local import flip_a_bit
from worker.deployers import containers, docker_state
from worker.deployers.base import Deployer, DeployerError, Phase, ReplicaStatus, ServingSpec
from worker.deployers.docker import DockerDeployer

KEY = "garden-sums-1"
NOTHING = ServingSpec(name=KEY, host="", port=0, keys_file=Path())


@pytest.fixture(scope="module", autouse=True)
def _networks(docker_engine: docker.DockerClient) -> Iterator[None]:
    with networks_of_the_run(docker_engine):
        yield


def container_of(engine: docker.DockerClient, replica: ReplicaStatus) -> Any:
    return engine.containers.get(replica.place.removeprefix("container "))


class TestDockerDeployer(DeployerContract):
    @pytest.fixture
    def runs_on(self, replica_image: str) -> dict[str, Any]:
        return {"python": Path(), "deployer": "docker", "image": replica_image}

    @pytest.fixture
    def another(self, tmp_path: Path) -> Callable[[], DockerDeployer]:
        return lambda: DockerDeployer(
            url=settings.DOCKER_URL,
            installation=f"test-{os.getpid()}",
            artifacts=tmp_path / "artifacts",
            starts=tmp_path / "starts",
            networks=NETWORKS,
            grace_seconds=2,
        )

    @pytest.fixture
    def deployer(self, another: Callable[[], DockerDeployer]) -> Iterator[DockerDeployer]:
        deployer = another()
        yield deployer
        deployer.remove(KEY)
        deployer.remove("garden-sums-10")

    def test_what_a_strict_umask_lays_out_can_be_read_inside(
        self, deployer: DockerDeployer, spec: MakeSpec
    ) -> None:
        before = os.umask(0o077)
        try:
            deployer.apply(spec(0))
        finally:
            os.umask(before)
        ready(deployer, 1)

    @pytest.fixture
    def kill(self, docker_engine: docker.DockerClient) -> Kill:
        return lambda replica: container_of(docker_engine, replica).kill()

    @pytest.fixture
    def listing(self, docker_engine: docker.DockerClient) -> Iterator[Listing]:
        with platform(docker_engine) as listing:
            yield listing

    @pytest.fixture
    def stranger(
        self, docker_engine: docker.DockerClient, deployer: DockerDeployer, replica_image: str
    ) -> Iterator[Callable[[], bool]]:
        """A container of nobody we know, and one of another installation that has a serving of the same name."""
        theirs = containers.mine("another-installation", KEY)
        theirs |= {containers.REPLICA: "r1-0-1", containers.REVISION: "1", containers.COMPONENT: "predictor"}
        theirs |= {containers.SLOT: "0", containers.ATTEMPT: "1"}
        running = [
            docker_engine.containers.run(
                replica_image, ["sleep", "600"], entrypoint=[], detach=True, init=True, labels=labels
            )
            for labels in ({}, theirs)
        ]

        def is_untouched() -> bool:
            for each in running:
                each.reload()
            return [each.status for each in running] == ["running"] * 2

        yield is_untouched
        for each in running:
            each.remove(force=True)

    def test_an_ended_container_that_somebody_starts_again_is_told_to_end(
        self, deployer: Deployer, spec: MakeSpec, docker_engine: docker.DockerClient
    ) -> None:
        deployer.apply(spec(0))
        first = container_of(docker_engine, ready(deployer, 1)[0])
        first.kill()
        eventually(lambda: ended(deployer))
        wanted = replace(spec(0), ended=frozenset({"r1-0-1"}))
        deployer.apply(wanted)
        assert [each.name for each in ready(deployer, 1)] == ["r1-0-2"]
        first.start()
        eventually(lambda: len(living(deployer)) == 2)
        eventually(lambda: deployer.apply(wanted) or [each.name for each in living(deployer)] == ["r1-0-2"])

    def test_a_replica_that_was_paused_ends_when_it_is_told_to(
        self, deployer: Deployer, spec: MakeSpec, docker_engine: docker.DockerClient
    ) -> None:
        deployer.apply(spec(0))
        container_of(docker_engine, ready(deployer, 1)[0]).pause()
        assert [each.phase for each in deployer.status(KEY)] == [Phase.ALIVE]
        deployer.apply(spec())
        assert eventually(lambda: ended(deployer))[0].exit

    def test_an_attempt_that_somebody_removed_does_not_have_its_number_given_again(
        self, deployer: Deployer, spec: MakeSpec, docker_engine: docker.DockerClient
    ) -> None:
        deployer.apply(spec(0))
        victim = ready(deployer, 1)[0]
        container_of(docker_engine, victim).remove(force=True)
        assert deployer.status(KEY) == []
        deployer.apply(replace(spec(0), ended=frozenset({victim.name})))
        assert [each.attempt for each in living(deployer)] == [2]

    def test_a_container_that_a_worker_had_no_time_to_start_is_started_by_the_next(
        self,
        deployer: Deployer,
        another: Callable[[], Deployer],
        spec: MakeSpec,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def end_the_worker(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(docker.APIClient, "start", end_the_worker)
            with pytest.raises(KeyboardInterrupt):
                deployer.apply(spec(0))
        assert [(each.phase, each.address) for each in deployer.status(KEY)] == [(Phase.ALIVE, "")]
        another().apply(spec(0))
        assert [each.attempt for each in ready(deployer, 1)] == [1]

    def test_a_replica_that_a_worker_only_named_as_stopping_is_ended_by_the_next(
        self,
        deployer: Deployer,
        another: Callable[[], Deployer],
        spec: MakeSpec,
        docker_engine: docker.DockerClient,
    ) -> None:
        deployer.apply(spec(0))
        container = container_of(docker_engine, ready(deployer, 1)[0])
        container.rename(f"{container.name}{docker_state.STOPPING}{int(time.time()) - 60}")
        assert [each.phase for each in deployer.status(KEY)] == [Phase.STOPPING]
        another().apply(spec())
        assert eventually(lambda: ended(deployer))[0].exit.was_asked  # type: ignore[union-attr]

    def test_a_name_that_somebody_elses_container_has_is_a_failure_and_not_a_replica(
        self, deployer: DockerDeployer, spec: MakeSpec, docker_engine: docker.DockerClient, replica_image: str
    ) -> None:
        name = containers.container_name(deployer.installation, KEY, "r1-0-1")
        foreign = docker_engine.containers.create(replica_image, name=name)
        try:
            with pytest.raises(DeployerError, match="already in use") as caught:
                deployer.apply(spec(0))
            assert caught.value.code == "EngineRefused"
            assert deployer.status(KEY) == []
        finally:
            foreign.remove()

    def test_ends_are_remembered_up_to_a_number(
        self, deployer: Deployer, spec: MakeSpec, kill: Kill, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(containers, "REMEMBERED", 1)
        deployer.apply(spec(0, 1))
        names = {each.name for each in living(deployer)}
        for each in living(deployer):
            kill(each)
        eventually(lambda: len(ended(deployer)) == 2)
        deployer.apply(replace(NOTHING, ended=frozenset(names)))
        assert len(deployer.status(KEY)) == 1

    def test_a_flipped_bit_in_a_laid_out_file_is_a_named_failure_and_mended_by_the_next_attempt(
        self, deployer: DockerDeployer, spec: MakeSpec
    ) -> None:
        wanted = spec(0)
        deployer.apply(wanted)
        ready(deployer, 1)
        deployer.remove(KEY)
        laid_out = deployer.artifacts / wanted.revisions[0].artifact / "weights.txt"
        flip_a_bit(laid_out)
        deployer.apply(wanted)
        corrupt = eventually(lambda: ended(deployer))[0]
        assert corrupt.exit is not None
        assert corrupt.exit.failure is not None
        assert corrupt.exit.failure["code"] == "ArtifactCorrupt"
        deployer.remove(KEY)
        deployer.apply(wanted)
        ready(deployer, 1)
        assert laid_out.read_text() == "1 2 3"

    def test_an_engine_that_is_not_there_is_a_failure_and_not_the_absence_of_replicas(
        self, deployer: DockerDeployer, spec: MakeSpec
    ) -> None:
        nowhere = replace(deployer, url="tcp://127.0.0.1:1")
        for verb in (
            lambda: nowhere.status(KEY),
            lambda: nowhere.apply(spec(0)),
            lambda: nowhere.logs(KEY, "r1-0-1"),
            lambda: nowhere.remove(KEY),
        ):
            with pytest.raises(DeployerError, match="127.0.0.1:1 does not answer") as caught:
                verb()
            assert caught.value.code == "EngineUnreachable"

    def test_an_image_that_is_gone_is_a_named_failure(self, deployer: Deployer, spec: MakeSpec) -> None:
        with pytest.raises(DeployerError) as caught:
            deployer.apply(spec(0, image="hopyard/environment:never-built"))
        assert caught.value.code == "ImageMissing"
        assert deployer.status(KEY) == []

    def test_more_processors_than_there_are_is_a_failure_in_the_engines_words(
        self, deployer: Deployer, spec: MakeSpec
    ) -> None:
        with pytest.raises(DeployerError, match="CPUs"):
            deployer.apply(spec(0, cores=4096.0))

    def test_gpus_where_there_are_none_are_a_named_failure(
        self, deployer: Deployer, spec: MakeSpec, docker_engine: docker.DockerClient
    ) -> None:
        if "nvidia" in docker_engine.info()["Runtimes"]:
            pytest.skip("this engine has GPUs")
        with pytest.raises(DeployerError) as caught:
            deployer.apply(spec(0, gpus=1))
        assert caught.value.code == "GpuMissing"
        assert deployer.status(KEY) == []

    def test_a_network_that_leads_out_is_not_used_for_replicas_that_may_not(
        self, deployer: DockerDeployer, spec: MakeSpec, docker_engine: docker.DockerClient
    ) -> None:
        name = f"hopyard-test-open-{os.getpid()}"
        network = docker_engine.networks.create(name)
        try:
            careless = replace(deployer, networks=replace(NETWORKS, internal=name))
            with pytest.raises(DeployerError, match="leads to other machines") as caught:
                careless.apply(spec(0))
            assert caught.value.code == "NetworkOpen"
        finally:
            network.remove()

    def test_removing_a_serving_leaves_no_container_and_no_folder(
        self, deployer: DockerDeployer, spec: MakeSpec, docker_engine: docker.DockerClient
    ) -> None:
        deployer.apply(spec(0, script=ADDS))
        container = container_of(docker_engine, ready(deployer, 1)[0])
        deployer.remove(KEY)
        with pytest.raises(NotFound):
            container.reload()
        assert not (deployer.starts / KEY).exists()
