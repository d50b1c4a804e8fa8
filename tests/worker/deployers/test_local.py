"""The local deployer keeps the contract, and what only processes can do wrong."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.waiting import eventually
from tests.worker.deployers.contract import (
    ADDS,
    DeployerContract,
    Kill,
    Listing,
    ask,
    ended,
    living,
    ready,
)
from worker.deployers.base import Deployer, DeployerError, ReplicaStatus, ServingSpec
from worker.deployers.local import LocalDeployer
from worker.deployers.processes import ProcessId


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


class TestLocalDeployer(DeployerContract):
    @pytest.fixture
    def another(self, tmp_path: Path) -> Callable[[], LocalDeployer]:
        return lambda: LocalDeployer(
            root=tmp_path / "replicas",
            artifacts=tmp_path / "artifacts",
            log_dir=tmp_path / "logs",
            grace_seconds=2,
        )

    @pytest.fixture
    def deployer(self, another: Callable[[], LocalDeployer]) -> Iterator[Deployer]:
        deployer = another()
        yield deployer
        deployer.remove("garden-sums-1")

    @pytest.fixture
    def kill(self) -> Kill:
        def end(replica: ReplicaStatus) -> None:
            os.kill(int(replica.place.removeprefix("pid ")), signal.SIGKILL)

        return end

    @pytest.fixture
    def listing(self, tmp_path: Path) -> Listing:
        addresses = tmp_path / "predictors.json"
        addresses.write_text("[]")

        def tell(predictors: list[str]) -> None:
            draft = addresses.with_name("draft")
            draft.write_text(json.dumps(predictors))
            draft.replace(addresses)

        return Listing({"predictors_file": addresses}, tell)

    @pytest.fixture
    def stranger(self, deployer: LocalDeployer) -> Iterator[Callable[[], bool]]:
        """A process, and a folder that only looks like a replica's."""
        folder = deployer.root / "garden-sums-2" / "r1-0-1"
        folder.mkdir(parents=True)
        with subprocess.Popen(["sleep", "600"]) as process:
            yield lambda: process.poll() is None and folder.is_dir()
            process.kill()

    def test_replicas_share_the_servings_own_port(
        self, deployer: Deployer, spec: Callable[..., ServingSpec], free_port: int
    ) -> None:
        deployer.apply(spec(0, 1))
        ready(deployer, 2)
        answers = {ask(f"127.0.0.1:{free_port}").headers["x-hopyard-replica"] for _ in range(60)}
        assert len(answers) == 2

    def test_a_canary_comes_to_the_servings_own_port_when_it_is_one_no_more(
        self, deployer: Deployer, spec: Callable[..., ServingSpec], free_port: int
    ) -> None:
        def answering() -> set[str]:
            return {ask(f"127.0.0.1:{free_port}").headers["x-hopyard-replica"] for _ in range(60)}

        stable, canary = spec(0), spec(0, revision=2, joins_port=False)
        deployer.apply(replace(stable, revisions=(*stable.revisions, *canary.revisions)))
        ready(deployer, 2)
        assert answering() == {"r1-0-1"}
        deployer.apply(spec(0, revision=2))  # promoted: the old one leaves in the same step
        assert answering() <= {"r1-0-1", "r2-0-1"}, "the port was never without anybody"
        eventually(lambda: [each.name for each in living(deployer)] == ["r2-0-1"])
        assert answering() == {"r2-0-1"}

    def test_a_replica_does_not_outlive_its_runner(
        self, deployer: LocalDeployer, spec: Callable[..., ServingSpec]
    ) -> None:
        deployer.apply(spec(0))
        replica = ready(deployer, 1)[0]
        process = ProcessId.of(int(replica.place.removeprefix("pid ")))
        runner = (deployer.root / "garden-sums-1" / replica.name / "runner.json").read_text()
        os.kill(int(runner.split(":")[1].split(",")[0]), signal.SIGKILL)
        assert process is not None
        eventually(lambda: not process.is_alive())
        eventually(lambda: not living(deployer))

    def test_nothing_a_script_started_outlives_its_replica(
        self, deployer: LocalDeployer, spec: Callable[..., ServingSpec], tmp_path: Path
    ) -> None:
        note = tmp_path / "child.pid"
        script = (
            "import subprocess\nchild = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
            f"open({str(note)!r}, 'w').write(str(child.pid))\n" + ADDS
        )
        deployer.apply(spec(0, script=script))
        ready(deployer, 1)
        child = ProcessId.of(int(note.read_text()))
        assert child is not None
        assert child.is_alive()
        deployer.remove("garden-sums-1")
        assert not child.is_alive()

    def test_the_memory_of_children_counts(
        self, deployer: LocalDeployer, spec: Callable[..., ServingSpec]
    ) -> None:
        hungry = (
            "import subprocess, sys\nclass Predict:\n    def __init__(self):\n"
            "        code = 'held = bytearray(400_000_000); import time; time.sleep(600)'\n"
            "        subprocess.run([sys.executable, '-c', code])\n    def predict(self, inputs): return inputs\n"
        )
        deployer.apply(spec(0, script=hungry, memory_mb=200))
        gone = eventually(lambda: ended(deployer))[0]
        assert gone.exit is not None
        assert gone.exit.out_of_memory

    def test_an_attempt_whose_folder_somebody_removed_does_not_have_its_number_given_again(
        self, deployer: LocalDeployer, spec: Callable[..., ServingSpec], kill: Kill
    ) -> None:
        deployer.apply(spec(0))
        victim = ready(deployer, 1)[0]
        kill(victim)
        eventually(lambda: ended(deployer))
        shutil.rmtree(deployer.root / "garden-sums-1" / victim.name)
        deployer.apply(replace(spec(0), ended=frozenset({victim.name})))
        assert [each.attempt for each in ready(deployer, 1)] == [2]

    def test_a_pid_that_was_given_to_another_process_is_not_signalled(self) -> None:
        mine = ProcessId.of(os.getpid())
        assert mine is not None
        imposter = ProcessId(mine.pid, mine.start_time + 1)
        assert not imposter.is_alive()
        imposter.send(signal.SIGKILL)

    def test_a_flipped_bit_in_a_laid_out_file_is_a_named_failure_and_mended_by_the_next_attempt(
        self, deployer: LocalDeployer, spec: Callable[..., ServingSpec]
    ) -> None:
        wanted = spec(0)
        deployer.apply(wanted)
        victim = ready(deployer, 1)[0]
        laid_out = deployer.artifacts / wanted.revisions[0].artifact / "weights.txt"
        flip_a_bit(laid_out)
        deployer.apply(replace(wanted, unwanted=frozenset({victim.name})))
        eventually(lambda: len(ended(deployer)) == 1)
        deployer.apply(wanted)
        corrupt = eventually(lambda: [each for each in ended(deployer) if each.name != victim.name])[0]
        assert corrupt.exit is not None
        assert corrupt.exit.failure is not None
        assert corrupt.exit.failure["code"] == "ArtifactCorrupt"
        assert "weights.txt" in corrupt.exit.failure["reason"]
        deployer.apply(replace(wanted, ended=frozenset({corrupt.name})))
        ready(deployer, 1)
        assert laid_out.read_text() == "1 2 3"

    def test_damage_is_remembered_when_the_replica_that_found_it_is_removed(
        self, deployer: LocalDeployer, spec: Callable[..., ServingSpec]
    ) -> None:
        wanted = spec(0)
        deployer.apply(wanted)
        ready(deployer, 1)
        deployer.remove("garden-sums-1")
        flip_a_bit(deployer.artifacts / wanted.revisions[0].artifact / "weights.txt")
        deployer.apply(wanted)
        eventually(lambda: ended(deployer))
        deployer.remove("garden-sums-1")
        deployer.apply(wanted)
        ready(deployer, 1)

    def test_bytes_that_changed_since_they_were_registered_are_a_named_failure(
        self, deployer: Deployer, spec: Callable[..., ServingSpec], tmp_path: Path
    ) -> None:
        wanted = spec(0)
        file = wanted.revisions[0].files[0]
        (tmp_path / file.sha256).write_text("1 2 4")
        with pytest.raises(DeployerError, match="weights.txt no longer has the bytes") as caught:
            deployer.apply(wanted)
        assert caught.value.code == "ArtifactCorrupt"
        assert deployer.status("garden-sums-1") == []

    def test_a_machine_that_cannot_start_the_interpreter_says_so_in_the_log(
        self, tmp_path: Path, spec: Callable[..., ServingSpec]
    ) -> None:
        broken = LocalDeployer(tmp_path / "r", tmp_path / "a", tmp_path / "l", 2)
        wanted = spec(0, script=ADDS)
        share = replace(wanted.revisions[0], python=Path("/no/such/python"))
        broken.apply(replace(wanted, revisions=(share,)))
        eventually(lambda: broken.status("garden-sums-1")[0].exit)
        assert "could not be started" in "\n".join(broken.logs("garden-sums-1", "r1-0-1"))
