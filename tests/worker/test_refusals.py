"""Engines that refuse, are away or hang: what goes on all the same, and what is held against whom."""

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from accounts.access import Access
from serving import queries, services
from serving.models import Replica, Serving
from serving.states import ReplicaState, Status
from tests.waiting import eventually
from worker import looking, preparation, reconcile, refusals, supervisor
from worker.deployers.base import Deployer, DeployerError, Phase, ReplicaStatus, ServingSpec
from worker.deployers.several import SeveralDeployers
from worker.failures import Failure
from worker.observe import Observation
from worker.preparation import Preparation

SUMS = "class Predict:\n    def predict(self, inputs):\n        return [sum(row) for row in inputs]\n"
GONE = "The Docker engine does not answer; start it."

Create = Callable[..., Serving]
Settle = Callable[..., Serving]


@dataclass
class Away:
    """An engine that cannot be reached; it counts how often it is asked what there is."""

    looks: int = 0

    def apply(self, spec: ServingSpec) -> None:
        raise DeployerError("EngineUnreachable", GONE, may_pass=True)

    def status(self, name: str) -> list[ReplicaStatus]:
        self.looks += 1
        raise DeployerError("EngineUnreachable", GONE, may_pass=True)

    def remove(self, name: str) -> None:
        raise DeployerError("EngineUnreachable", GONE, may_pass=True)

    def logs(self, name: str, replica: str, since: object = None) -> list[str]:
        raise DeployerError("EngineUnreachable", GONE, may_pass=True)


@dataclass
class Refusing:
    """A deployer that sees everything, and whose engine starts nothing."""

    real: Deployer
    error: DeployerError
    asked: list[ServingSpec] = field(default_factory=list)

    def apply(self, spec: ServingSpec) -> None:
        self.asked.append(spec)
        raise self.error

    def status(self, name: str) -> list[ReplicaStatus]:
        return self.real.status(name)

    def remove(self, name: str) -> None:
        self.real.remove(name)

    def logs(self, name: str, replica: str, since: datetime | None = None) -> list[str]:
        return self.real.logs(name, replica, since)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    yield
    refusals._refusals.clear()
    looking._rounds.clear()


@pytest.fixture
def running(create: Create, settle: Settle, owner: Access) -> Callable[[], Serving]:
    def make() -> Serving:
        services.start(access=owner, serving=create(SUMS))
        return settle()

    return make


def kill(serving: Serving, deployer: Deployer) -> str:
    """End a replica, and wait until its deployer knows."""
    found = serving.replicas.get(state=ReplicaState.READY)
    os.kill(int(found.place.removeprefix("pid ")), signal.SIGKILL)
    eventually(lambda: [each for each in deployer.status(serving.key) if each.exit])
    return found.name


def now(serving: Serving) -> Serving:
    return queries.serving(serving.project, serving.name)


def refusal(*, may_pass: bool = True, revision: int | None = None) -> DeployerError:
    reason = "The Docker engine at x refused: out of addresses"
    return DeployerError("EngineRefused", reason, may_pass=may_pass, revision=revision)


@pytest.mark.parametrize("may_pass", [True, False])
def test_what_is_refused_to_the_good_revision_is_tried_until_it_is_healed(
    may_pass: bool,
    running: Callable[[], Serving],
    settle: Settle,
    deployer: Deployer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refusals, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(refusals, "SECONDS_FORGIVEN", 0)
    serving = running()
    kill(serving, deployer)
    refusing = Refusing(deployer, refusal(may_pass=may_pass, revision=1))
    for _ in range(5):
        assert not reconcile.step(serving.pk, refusing)
    assert len(refusing.asked) == 5
    assert not now(serving).has_given_up
    assert now(serving).condition_reason.startswith(
        "The Docker engine at x refused: out of addresses. It is tried again by itself."
    )
    assert settle().condition_reason == "1 of 1 replica ready"


def test_what_may_pass_is_tried_after_a_pause_and_counts_after_minutes(
    create: Create, owner: Access, deployer: Deployer, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = create(SUMS)
    serving.revisions.update(overridden_by=owner.user)
    services.start(access=owner, serving=serving)
    refusing = Refusing(deployer, refusal())
    eventually(lambda: reconcile.step(serving.pk, refusing) or refusing.asked)
    for _ in range(4):
        assert not reconcile.step(serving.pk, refusing)
    assert len(refusing.asked) == 1, "the pause is kept"
    assert (now(serving).setbacks, now(serving).status) == ({}, Status.STARTING)
    assert "out of addresses. It is tried again by itself." in now(serving).condition_reason
    monkeypatch.setattr(refusals, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(refusals, "SECONDS_FORGIVEN", 0)
    eventually(lambda: reconcile.step(serving.pk, refusing) or now(serving).has_given_up)
    assert now(serving).status == Status.FAILED
    assert now(serving).failure["code"] == "EngineRefused"


def test_what_a_revision_asks_in_vain_is_held_against_it_at_once(
    create: Create, owner: Access, deployer: Deployer
) -> None:
    serving = create(SUMS)
    serving.revisions.update(overridden_by=owner.user)
    services.start(access=owner, serving=serving)
    refusing = Refusing(deployer, refusal(may_pass=False, revision=1))
    eventually(lambda: reconcile.step(serving.pk, refusing) or now(serving).has_given_up)
    assert len(refusing.asked) == 3


def test_a_newer_wish_waits_for_no_pause(running: Callable[[], Serving], deployer: Deployer) -> None:
    serving = running()
    refusals.note(serving, refusal())
    assert refusals.is_pausing(serving)
    serving.generation += 1
    assert not refusals.is_pausing(serving)


def test_a_preparation_that_fails_is_no_matter_while_all_replicas_are_ready(
    running: Callable[[], Serving], deployer: Deployer, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = running()
    told = serving.events.count()
    failed = Preparation(failure=Failure("ForeignImage", "The image is a stranger's.", is_final=True))
    monkeypatch.setattr(preparation, "of", lambda serving, revision: failed)
    for _ in range(3):
        reconcile.step(serving.pk, deployer)
        assert (now(serving).status, now(serving).has_given_up) == (Status.RUNNING, False)
    assert serving.events.count() == told


def with_docker(deployer: Deployer, docker: Deployer) -> SeveralDeployers:
    return SeveralDeployers({"docker": docker, **deployer.deployers})  # type: ignore[attr-defined]


def of_docker(serving: Serving, state: ReplicaState = ReplicaState.READY) -> Replica:
    """A row of what was once seen at the other engine."""
    return Replica.objects.create(
        serving=serving, name="r1-1-1", revision=1, slot=1, attempt=1, deployer="docker", state=state
    )


def test_an_engine_that_runs_nothing_of_a_serving_is_seldom_asked(
    running: Callable[[], Serving], deployer: Deployer
) -> None:
    serving, away = running(), Away()
    for _ in range(4):
        assert reconcile.step(serving.pk, with_docker(deployer, away))
    assert away.looks == 1
    of_docker(serving)
    assert not reconcile.step(serving.pk, with_docker(deployer, away))
    assert away.looks == 2


def test_a_local_serving_is_deleted_although_another_engine_is_away(
    running: Callable[[], Serving], owner: Access, deployer: Deployer
) -> None:
    serving = running()
    services.delete(access=owner, serving=serving)
    assert reconcile.step(serving.pk, with_docker(deployer, Away()))
    assert not Serving.objects.filter(pk=serving.pk).exists()
    assert not [each for each in deployer.status(serving.key) if each.phase != Phase.EXITED]


def test_a_serving_that_ran_at_an_engine_that_is_away_is_deleted_once_it_is_back(
    running: Callable[[], Serving], owner: Access, deployer: Deployer
) -> None:
    serving = running()
    of_docker(serving, ReplicaState.EXITED)
    services.delete(access=owner, serving=serving)
    assert not reconcile.step(serving.pk, with_docker(deployer, Away()))
    assert reconcile.step(serving.pk, deployer)
    assert not Serving.objects.filter(pk=serving.pk).exists()


def test_the_end_of_a_local_replica_is_recorded_although_another_engine_is_away(
    running: Callable[[], Serving], deployer: Deployer
) -> None:
    serving = running()
    name = kill(serving, deployer)
    reconcile.step(serving.pk, with_docker(deployer, Away()))
    assert serving.replicas.get(name=name).exit.startswith("Killed: ")
    eventually(lambda: reconcile.step(serving.pk, with_docker(deployer, Away())))
    assert now(serving).condition_reason == "1 of 1 replica ready"


@dataclass
class Living:
    """A replica that does not end at once."""

    phase: Phase = Phase.STOPPING

    def apply(self, spec: ServingSpec) -> None: ...

    def status(self, name: str) -> list[ReplicaStatus]:
        return [ReplicaStatus("r1-0-1", 1, 0, 1, self.phase, datetime.now(UTC))]

    def remove(self, name: str) -> None: ...

    def logs(self, name: str, replica: str, since: object = None) -> list[str]:
        return []


def test_what_still_lives_here_is_waited_for_although_another_engine_is_away() -> None:
    living = Living()
    both = SeveralDeployers({"docker": Away(), "local": living})
    assert not supervisor._ended(both, "garden-sums-1")
    living.phase = Phase.EXITED
    assert supervisor._ended(both, "garden-sums-1")


@pytest.mark.parametrize(("where", "seconds"), [("local", 0.6), ("docker", 1.2), ("swarm", 1.2)])
def test_transformers_in_containers_are_given_the_time_to_ask(where: str, seconds: float) -> None:
    rows = [Replica(component="predictor", deployer=where), Replica(component="transformer", deployer=where)]
    assert reconcile._read_within(Observation(living=rows)) == seconds
    assert reconcile._read_within(Observation(living=rows[:1])) == 0.6
