"""What every deployer must do; a sibling's tests subclass `DeployerContract` and give it a deployer."""

import hashlib
import json
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings

from tests.waiting import eventually
from worker.deployers.base import (
    PREDICTOR,
    TRANSFORMER,
    Deployer,
    File,
    Phase,
    ReplicaStatus,
    RevisionSpec,
    ServingSpec,
)

ADDS = "class Predict:\n    def predict(self, inputs):\n        return [sum(row) for row in inputs]\n"
DOUBLES = (
    "class Transformer:\n    def preprocess(self, inputs):\n"
    "        return {'instances': [[value * 2 for value in row] for row in inputs['instances']]}\n"
)
MULTIPLIES = ADDS.replace("sum(row)", "row[0] * row[1]")
READS = (
    "import os\nclass Predict:\n    def predict(self, inputs):\n"
    "        return [open('weights.txt').read(), open(os.environ['MODEL_FILES_PATH'] + '/weights.txt').read()]\n"
)


COUNTS = "import os\nclass Predict:\n    def predict(self, inputs):\n        return [os.environ['OMP_NUM_THREADS']]\n"

Kill = Callable[[ReplicaStatus], None]
MakeSpec = Callable[..., ServingSpec]


@dataclass(frozen=True)
class Listing:
    """How a transformer learns its predictors: what its component needs for it, and who tells it the list."""

    share: Mapping[str, Any]
    tell: Callable[[list[str]], None]


class DeployerContract:
    """A subclass gives the fixtures `deployer`, `another` (makes a fresh instance on the same place), `kill` (ends a
    replica behind the deployer's back), `listing`, `stranger` (something of somebody else at the same place, which
    says whether it is still as it was), and `runs_on`, the fields that its revisions have.
    """

    @pytest.fixture
    def runs_on(self) -> dict[str, Any]:
        return {"python": settings.REPLICA_PYTHON}

    @pytest.fixture
    def spec(self, tmp_path: Path, free_port: int, runs_on: dict[str, Any]) -> MakeSpec:
        keys = tmp_path / "keys.json"
        keys.write_text('{"pepper": "00", "internal": "let-me-in", "keys": []}')

        def make(*slots: int, revision: int = 1, script: str = ADDS, **limits: Any) -> ServingSpec:
            weights = file_of(tmp_path, "weights.txt", "1 2 3")
            manifest = json.dumps([[weights.path, 5, weights.sha256]], separators=(",", ":")).encode()
            share = RevisionSpec(
                revision=revision,
                slots=slots,
                artifact=hashlib.sha256(manifest).hexdigest(),
                manifest=manifest,
                files=(weights,),
                script=file_of(tmp_path, "Resources/predictor.py", script),
                environment={"HOPYARD_MODEL_NAME": "sums", "HOPYARD_REVISION": str(revision)},
                **(runs_on | limits),
            )
            return ServingSpec(
                name="garden-sums-1",
                host="127.0.0.1",
                port=free_port,
                keys_file=keys,
                token="let-me-in",
                revisions=(share,) if slots else (),
            )

        return make

    def test_apply_starts_replicas_that_predict(self, deployer: Deployer, spec: MakeSpec) -> None:
        deployer.apply(spec(0, 1))
        replicas = ready(deployer, 2)
        assert {(each.revision, each.slot, each.attempt) for each in replicas} == {(1, 0, 1), (1, 1, 1)}
        assert [predict(each.address) for each in replicas] == [[3], [3]]

    def test_the_components_of_a_revision_have_slots_and_names_of_their_own(
        self, deployer: Deployer, spec: MakeSpec, tmp_path: Path, listing: Listing
    ) -> None:
        wanted = spec(0)
        behind = replace(wanted.revisions[0], is_front=False)
        front = replace(
            behind,
            component=TRANSFORMER,
            is_front=True,
            script=None,
            transformer=file_of(tmp_path, "transformer-doubles.py", DOUBLES),
            **listing.share,
        )
        both = replace(wanted, revisions=(behind, front))
        deployer.apply(both)
        predictor = eventually(
            lambda: next(
                (each for each in living(deployer) if each.component == PREDICTOR and is_ready(each.address)),
                None,
            )
        )
        listing.tell([predictor.address])
        replicas = ready(deployer, 2)
        assert {each.component for each in replicas} == {PREDICTOR, TRANSFORMER}
        assert predict(next(each.address for each in replicas if each.component == TRANSFORMER)) == [6]
        deployer.apply(both)
        assert living(deployer) == replicas
        deployer.apply(replace(wanted, revisions=(behind,)))
        eventually(lambda: [each.component for each in living(deployer)] == [PREDICTOR])

    def test_a_second_apply_changes_nothing(self, deployer: Deployer, spec: MakeSpec) -> None:
        deployer.apply(spec(0, 1))
        before = ready(deployer, 2)
        deployer.apply(spec(0, 1))
        assert living(deployer) == before

    def test_apply_heals_a_replica_that_was_killed(
        self, deployer: Deployer, spec: MakeSpec, kill: Kill
    ) -> None:
        deployer.apply(spec(0, 1))
        victim, other = ready(deployer, 2)
        kill(victim)
        gone = eventually(lambda: ended(deployer))
        assert gone[0].exit is not None
        assert (gone[0].exit.signal, gone[0].exit.was_asked) == (signal.SIGKILL, False)
        assert not gone[0].exit.out_of_memory
        deployer.apply(spec(0, 1))
        assert living(deployer) == [other], "an end that the caller has not seen is not covered up"
        deployer.apply(replace(spec(0, 1), ended=frozenset({victim.name})))
        healed = ready(deployer, 2)
        assert other in healed
        assert {(each.slot, each.attempt) for each in healed} == {(victim.slot, 2), (other.slot, 1)}

    def test_the_log_of_a_dead_attempt_is_there_beside_that_of_the_next(
        self, deployer: Deployer, spec: MakeSpec, kill: Kill
    ) -> None:
        says = "import os\nprint('this is', os.environ['HOPYARD_REPLICA'])\n"
        deployer.apply(spec(0, script=says + ADDS))
        victim = ready(deployer, 1)[0]
        kill(victim)
        eventually(lambda: ended(deployer))
        deployer.apply(replace(spec(0, script=says + ADDS), ended=frozenset({victim.name})))
        heir = ready(deployer, 1)[0]
        for name in (victim.name, heir.name):
            assert any(f"this is {name}" in line for line in deployer.logs("garden-sums-1", name))

    def test_scaling_up_starts_the_new_slots_only(self, deployer: Deployer, spec: MakeSpec) -> None:
        deployer.apply(spec(0))
        first = ready(deployer, 1)[0]
        deployer.apply(spec(0, 1))
        assert first in ready(deployer, 2)

    def test_scaling_down_ends_the_other_slots_only(self, deployer: Deployer, spec: MakeSpec) -> None:
        deployer.apply(spec(0, 1))
        kept = ready(deployer, 2)[0]
        deployer.apply(spec(0))
        assert eventually(lambda: len(living(deployer)) == 1 and living(deployer)) == [kept]
        gone = eventually(lambda: ended(deployer))[0]
        assert gone.exit is not None
        assert (gone.exit.was_asked, gone.exit.code) == (True, 0)

    def test_a_new_revision_runs_beside_the_old_one_and_then_alone(
        self, deployer: Deployer, spec: MakeSpec
    ) -> None:
        old, new = spec(0), spec(0, revision=2, script=MULTIPLIES)
        deployer.apply(old)
        ready(deployer, 1)
        deployer.apply(replace(old, revisions=(*old.revisions, *new.revisions)))
        both = ready(deployer, 2)
        assert {each.revision: predict(each.address) for each in both} == {1: [3], 2: [2]}
        deployer.apply(new)
        eventually(lambda: [each.revision for each in living(deployer)] == [2])

    def test_an_unwanted_replica_is_replaced_in_its_slot(self, deployer: Deployer, spec: MakeSpec) -> None:
        deployer.apply(spec(0))
        first = ready(deployer, 1)[0]
        deployer.apply(replace(spec(0), unwanted=frozenset({first.name})))
        eventually(lambda: [(each.slot, each.attempt) for each in living(deployer)] == [(0, 2)])

    def test_remove_ends_everything_before_it_returns_and_twice_is_once(
        self, deployer: Deployer, spec: MakeSpec
    ) -> None:
        deployer.apply(spec(0, 1))
        ready(deployer, 2)
        deployer.remove("garden-sums-1")
        assert deployer.status("garden-sums-1") == []
        deployer.remove("garden-sums-1")
        deployer.remove("never-heard-of")

    def test_what_belongs_to_somebody_else_is_never_touched(
        self, deployer: Deployer, spec: MakeSpec, stranger: Callable[[], bool]
    ) -> None:
        assert stranger()
        deployer.apply(spec(0))
        assert [each.name for each in ready(deployer, 1)] == ["r1-0-1"]
        deployer.apply(spec())
        deployer.remove("garden-sums-1")
        assert stranger()

    def test_another_servings_replicas_are_left_alone(self, deployer: Deployer, spec: MakeSpec) -> None:
        neighbour = replace(spec(0), name="garden-sums-10", port=0)
        deployer.apply(neighbour)
        deployer.apply(spec(0))
        ready(deployer, 1)
        deployer.remove("garden-sums-1")
        assert [each.phase for each in deployer.status("garden-sums-10")] == [Phase.ALIVE]
        deployer.remove("garden-sums-10")

    def test_a_fresh_process_sees_the_same_replicas(
        self, deployer: Deployer, another: Callable[[], Deployer], spec: MakeSpec
    ) -> None:
        deployer.apply(spec(0))
        assert ready(deployer, 1) == another().status("garden-sums-1")

    def test_logs_hold_what_the_script_printed_with_its_time_also_after_the_end(
        self, deployer: Deployer, spec: MakeSpec
    ) -> None:
        deployer.apply(spec(0, script=ADDS.replace("    def", "    print('hello from import')\n    def", 1)))
        name = ready(deployer, 1)[0].name
        line = next(line for line in deployer.logs("garden-sums-1", name) if "hello from import" in line)
        assert datetime.now(UTC) - datetime.fromisoformat(line.split()[0]) < timedelta(minutes=1)
        assert not deployer.logs("garden-sums-1", name, since=datetime.now(UTC) + timedelta(minutes=1))
        deployer.apply(spec())
        eventually(lambda: not living(deployer))
        assert line in deployer.logs("garden-sums-1", name)

    def test_the_artifacts_files_lie_where_the_script_looks(self, deployer: Deployer, spec: MakeSpec) -> None:
        deployer.apply(spec(0, script=READS))
        assert predict(ready(deployer, 1)[0].address) == ["1 2 3", "1 2 3"]

    def test_a_script_finds_how_many_processors_it_may_use(self, deployer: Deployer, spec: MakeSpec) -> None:
        deployer.apply(spec(0, script=COUNTS, cores=2.0))
        assert predict(ready(deployer, 1)[0].address) == ["2"]

    def test_a_script_that_cannot_run_says_why(self, deployer: Deployer, spec: MakeSpec) -> None:
        deployer.apply(spec(0, script="import no_such_package_anywhere\n"))
        gone = eventually(lambda: ended(deployer))
        assert gone[0].exit is not None
        assert gone[0].exit.failure is not None
        assert gone[0].exit.failure["code"] == "DependencyMissing"
        assert "no_such_package_anywhere" in gone[0].exit.failure["reason"]

    def test_a_replica_that_outgrows_its_memory_is_killed_and_says_so(
        self, deployer: Deployer, spec: MakeSpec
    ) -> None:
        greedy = "import time\nheld = []\nwhile True:\n    held.append(bytearray(4_000_000))\n    time.sleep(0.005)\n"
        deployer.apply(spec(0, script=greedy, memory_mb=128))
        gone = eventually(lambda: ended(deployer))
        assert gone[0].exit is not None
        assert gone[0].exit.out_of_memory

    def test_a_replica_that_ignores_the_request_to_stop_is_killed(
        self, deployer: Deployer, spec: MakeSpec
    ) -> None:
        deaf = "import signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, {15})\nwhile True:\n    time.sleep(0.1)\n"
        deployer.apply(spec(0, script=deaf))
        eventually(lambda: any(each.place for each in living(deployer)))
        deployer.remove("garden-sums-1")
        assert deployer.status("garden-sums-1") == []


def living(deployer: Deployer) -> list[ReplicaStatus]:
    return [each for each in deployer.status("garden-sums-1") if each.phase == Phase.ALIVE]


def ended(deployer: Deployer) -> list[ReplicaStatus]:
    return [each for each in deployer.status("garden-sums-1") if each.phase == Phase.EXITED]


def ready(deployer: Deployer, count: int) -> list[ReplicaStatus]:
    """The living replicas once there are `count` of them and all are ready."""

    def find() -> list[ReplicaStatus] | None:
        replicas = living(deployer)
        return (
            replicas if len(replicas) == count and all(is_ready(each.address) for each in replicas) else None
        )

    found = eventually(find, what=f"{count} ready replicas")
    assert found is not None
    return found


def is_ready(address: str) -> bool:
    try:
        return bool(address) and httpx.get(f"http://{address}/v2/health/ready", trust_env=False).is_success
    except httpx.HTTPError:
        return False


def predict(address: str) -> object:
    return ask(address).json()["predictions"]


def ask(address: str) -> httpx.Response:
    url = f"http://{address}/v1/models/sums:predict"
    headers = {"X-Hopyard-Internal": "let-me-in"}
    response = httpx.post(url, json={"instances": [[1, 2]]}, headers=headers, trust_env=False)
    response.raise_for_status()
    return response


def file_of(folder: Path, path: str, text: str) -> File:
    digest = hashlib.sha256(text.encode()).hexdigest()
    (folder / digest).write_text(text)
    return File(path, digest, partial((folder / digest).open, "rb"))
