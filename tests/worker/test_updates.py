"""Updates, scaling, canaries and stops under load, on real replicas: no caller notices."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event, Lock

import httpx
import pytest

from accounts.access import Access
from models_registry import services as registry
from models_registry import storage
from models_registry.models import ModelVersion
from serving import canaries, queries, scaling, services, traffic
from serving.models import Replica, Serving
from serving.states import ReplicaState, Status
from tests.waiting import eventually
from tests.worker.conftest import take_steps
from worker import reconcile
from worker.deployers.base import Deployer, DeployerError, ReplicaStatus, ServingSpec
from worker.deployers.several import SeveralDeployers
from worker.gateway import publishing

FIRST = """
import time
class Predict:
    def predict(self, inputs):
        time.sleep(0.02)
        return ['one']
"""
SECOND = FIRST.replace("one", "two")
BROKEN = SECOND + "    def __init__(self):\n        raise RuntimeError('no licence')\n"
SLOW = FIRST.replace("0.02", "1.0")
THROUGH = "class Transformer:\n    def preprocess(self, inputs):\n        return inputs\n"
BODY = b'{"instances": [[1]]}'
CALLERS = 3

Create = Callable[..., Serving]
Settle = Callable[..., Serving]
Export = Callable[..., ModelVersion]


def call(serving: Serving, address: str) -> str:
    """What a replica predicts; anything but a correct 200 is said as it is."""
    url = f"http://{address}/v1/models/{serving.name}:predict"
    headers = {"x-hopyard-internal": serving.gateway_token, "content-type": "application/json"}
    response = httpx.post(url, content=BODY, headers=headers, timeout=20, trust_env=False)
    if response.status_code != httpx.codes.OK:
        return f"{response.status_code}: {response.text}"
    return str(json.loads(response.content)["predictions"][0])


@dataclass
class Gateway:
    """Stands where a proxy does: it knows the targets that it was last told of, and tries another one only where
    none can be connected to. What its callers got is kept.
    """

    serving: Serving
    targets: list[traffic.Target] = field(default_factory=list)
    got: list[str] = field(default_factory=list)
    most_live: int = 0
    lock: Lock = field(default_factory=Lock)

    def publish(self, serving: Serving, leaving: object = ()) -> None:
        fresh = Serving.objects.select_related("revision", "canary").get(pk=serving.pk)
        self.targets = [target for route in traffic.routes(fresh) for target in route.targets]
        living = serving.replicas.exclude(state=ReplicaState.EXITED).count()
        self.most_live = max(self.most_live, living)

    def ask(self) -> str:
        for number in range(len(self.targets) * 2 or 1):
            targets = self.targets
            if not targets:
                return "no target"
            with self.lock:
                target = targets[(len(self.got) + number) % len(targets)]
            try:
                return call(self.serving, target.address)
            except httpx.ConnectError:
                continue
            except httpx.HTTPError as error:
                return f"{target.name}: {error!r}"
        return "nobody could be connected to"

    def load(self, is_over: Event) -> None:
        while not is_over.is_set():
            answer = self.ask()
            with self.lock:
                self.got.append(answer)


@pytest.fixture
def gateway_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[Serving], Gateway]:
    def make(serving: Serving) -> Gateway:
        gateway = Gateway(serving)
        monkeypatch.setattr(publishing, "publish", gateway.publish)
        gateway.publish(serving)
        return gateway

    return make


@pytest.fixture
def under_load(
    gateway_of: Callable[[Serving], Gateway], settle: Settle
) -> Iterator[Callable[[Callable[[], object]], Gateway]]:
    """Do something, and settle, while callers ask all the time."""
    with ThreadPoolExecutor(CALLERS) as pool:

        def run(act: Callable[[], object]) -> Gateway:
            gateway, is_over = gateway_of(settle()), Event()
            asking = [pool.submit(gateway.load, is_over) for _ in range(CALLERS)]
            try:
                eventually(lambda: len(gateway.got) > CALLERS)
                act()
                settle()
                seen = len(gateway.got)
                eventually(lambda: len(gateway.got) > seen + 2 * CALLERS)
            finally:
                is_over.set()
            for each in asking:
                each.result()
            return gateway

        yield run


@pytest.fixture
def running(create: Create, settle: Settle, owner: Access) -> Callable[..., Serving]:
    def make(script: str = FIRST, **options: int) -> Serving:
        pace = {name: options.pop(name, 0) for name in ("surge", "pace_seconds")}
        made = create(script, **options)
        scaling.set_pace(access=owner, serving=made, **pace)
        services.start(access=owner, serving=made)
        return settle()

    return make


@pytest.fixture
def script(export: Export) -> Callable[[str], dict[str, object]]:
    """The changes that make a serving run another script."""

    def make(text: str) -> dict[str, object]:
        version = export(files={"predictor.py": text})
        return {"script": f"{version.folder}/predictor.py", "model_version": version.number}

    return make


def ready(serving: Serving) -> dict[str, int]:
    """The names of the ready replicas with their revisions."""
    return dict(
        Replica.objects.filter(serving=serving, state=ReplicaState.READY).values_list("name", "revision")
    )


@pytest.mark.parametrize(("surge", "most"), [(0, 4), (1, 3)])
def test_an_update_under_load_loses_no_request_and_runs_no_more_than_its_surge(
    surge: int, most: int, running: Create, under_load: Callable, script: Callable, owner: Access
) -> None:
    serving = running(replicas=2, surge=surge)
    changes = script(SECOND)
    gateway = under_load(lambda: services.update(access=owner, serving=serving, changes=changes))
    assert set(gateway.got) == {"one", "two"}
    assert gateway.got[-1] == "two"
    assert gateway.most_live == most
    assert set(ready(serving).values()) == {2}


def test_an_update_waits_for_its_pace(
    running: Create, script: Callable, owner: Access, deployer: Deployer
) -> None:
    serving = running(surge=1, pace_seconds=3600)
    services.update(access=owner, serving=serving, changes=script(SECOND))
    eventually(lambda: take_steps(serving.pk, deployer) or len(ready(serving)) == 2)
    assert not take_steps(serving.pk, deployer), "it is not settled while the pace lasts"
    assert sorted(ready(serving).values()) == [1, 2]
    assert queries.serving(serving.project, serving.name).status == Status.UPDATING
    scaling.set_pace(access=owner, serving=serving, surge=1, pace_seconds=0)
    eventually(lambda: take_steps(serving.pk, deployer))
    assert list(ready(serving).values()) == [2]


def test_a_broken_update_under_load_gets_no_request_and_fails_with_its_reason(
    running: Create, under_load: Callable, script: Callable, owner: Access
) -> None:
    serving = running(replicas=2, surge=1)
    changes = script(BROKEN)
    gateway = under_load(lambda: _update_unchecked(owner, serving, changes))
    assert set(gateway.got) == {"one"}
    now = queries.serving(serving.project, serving.name)
    assert now.status == Status.RUNNING
    assert now.condition_reason.startswith("Revision 1 answers; the update to revision 2 failed: ")
    assert "no licence" in now.failure["reason"] + now.failure["evidence"]
    assert list(ready(serving).values()) == [1, 1]


def _update_unchecked(owner: Access, serving: Serving, changes: dict[str, object]) -> None:
    services.update(access=owner, serving=serving, changes=changes)
    serving.revisions.filter(number=2).update(overridden_by=owner.user)


def test_scaling_up_and_down_under_load_loses_no_request_and_makes_no_revision(
    running: Create, under_load: Callable, settle: Settle, owner: Access
) -> None:
    serving = running()

    def scale() -> None:
        assert settle().condition_reason == "1 of 1 replica ready"
        scaling.scale(access=owner, serving=serving, replicas=4)
        assert settle().condition_reason == "4 of 4 replicas ready"
        scaling.scale(access=owner, serving=serving, replicas=1)

    gateway = under_load(scale)
    assert set(gateway.got) == {"one"}
    assert list(ready(serving)) == ["r1-0-1"]
    assert serving.revisions.count() == 1


def test_scaling_during_an_update_holds_for_what_comes_of_it(
    running: Create, settle: Settle, script: Callable, owner: Access, deployer: Deployer
) -> None:
    serving = running(replicas=2, surge=1)
    services.update(access=owner, serving=serving, changes=script(SECOND))
    eventually(lambda: take_steps(serving.pk, deployer) or 2 in ready(serving).values())
    scaling.scale(access=owner, serving=serving, replicas=3)
    assert settle().condition_reason == "3 of 3 replicas ready"
    assert list(ready(serving).values()) == [2, 2, 2]


def test_a_canary_gets_its_part_and_is_promoted_without_a_new_replica(
    running: Create, settle: Settle, script: Callable, owner: Access
) -> None:
    serving = running()
    canaries.begin(access=owner, serving=serving, changes=script(SECOND), percent=20)
    serving = settle()
    assert serving.condition_reason == (
        "1 of 1 replica ready; the canary, revision 2, gets 20 %, 1 of 1 replica ready"
    )
    stable, canary = traffic.routes(serving)
    assert (stable.percent, [each.revision for each in stable.targets]) == (80, [1])
    assert (canary.percent, [each.revision for each in canary.targets]) == (20, [2])
    assert call(serving, canary.targets[0].address) == "two"
    canaries.promote(access=owner, serving=serving)
    serving = settle()
    assert (serving.current.number, serving.canary, ready(serving)) == (2, None, {"r2-0-1": 2})
    assert serving.condition_reason == "1 of 1 replica ready"
    assert not serving.replicas.get(name="r2-0-1").ended_at


def test_a_canary_that_fails_leaves_all_requests_to_the_others_and_says_why(
    running: Create, under_load: Callable, settle: Settle, script: Callable, owner: Access
) -> None:
    serving = running()
    changes = script(BROKEN)

    def begin() -> None:
        canaries.begin(access=owner, serving=serving, changes=changes, percent=50)
        serving.revisions.filter(number=2).update(overridden_by=owner.user)

    assert set(under_load(begin).got) == {"one"}
    now = settle()
    assert (now.status, now.failure, now.has_given_up) == (Status.RUNNING, None, False)
    assert "no licence" in now.canary_failure["reason"] + now.canary_failure["evidence"]
    assert "the canary, revision 2, failed and gets no requests: " in now.condition_reason
    assert list(ready(serving).values()) == [1]
    canaries.withdraw(access=owner, serving=serving)
    assert settle().condition_reason == "1 of 1 replica ready"


def test_a_withdrawn_canary_is_drained(
    running: Create, under_load: Callable, settle: Settle, script: Callable, owner: Access
) -> None:
    serving = running()
    canaries.begin(access=owner, serving=serving, changes=script(SECOND), percent=50)
    settle()
    gateway = under_load(lambda: canaries.withdraw(access=owner, serving=serving))
    assert set(gateway.got) == {"one", "two"}
    assert gateway.got[-1] == "one"
    assert ready(serving) == {"r1-0-1": 1}


def test_stop_and_start_are_for_both(
    running: Create, settle: Settle, script: Callable, owner: Access
) -> None:
    serving = running()
    canaries.begin(access=owner, serving=serving, changes=script(SECOND), percent=50)
    settle()
    services.stop(access=owner, serving=serving)
    settle()
    assert ready(serving) == {}
    services.start(access=owner, serving=serving)
    settle()
    assert sorted(ready(serving).values()) == [1, 2]


@pytest.mark.parametrize("has_transformer", [False, True])
def test_a_stop_lets_what_is_under_way_be_answered(
    has_transformer: bool, create: Create, settle: Settle, owner: Access, deployer: Deployer
) -> None:
    """Through a transformer of its own too, whose predictor stays until it has finished."""
    extra = {}
    if has_transformer:
        through = "Resources/through.py"
        registry.save_file(access=owner, path=through, blob=storage.receive([THROUGH.encode()]))
        extra = {"transformer": through}
    services.start(access=owner, serving=create(SLOW, **extra))
    serving = settle()
    [target] = traffic.routes(serving)[0].targets
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(call, serving, target.address)
        eventually(lambda: asking.running() and _is_asked(serving))
        services.stop(access=owner, serving=serving)
        assert settle().status == Status.STOPPED
        assert asking.result() == "one"


def _is_asked(serving: Serving) -> bool:
    """Whether some replica's predictor is at work."""
    for replica in serving.replicas.filter(state=ReplicaState.READY, component="predictor"):
        text = httpx.get(f"http://{replica.address}/metrics", trust_env=False).text
        lines = [line for line in text.splitlines() if "in_flight" in line and not line.startswith("#")]
        if any(float(line.rsplit(" ", 1)[1]) > 0 for line in lines):
            return True
    return False


def test_an_engine_that_does_not_answer_takes_nothing_away_and_counts_as_no_failure(
    running: Create, settle: Settle, deployer: Deployer, gateway_of: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = running()
    gateway = gateway_of(serving)
    before = list(gateway.targets)

    def refuses(self: Deployer, name: str) -> list[object]:
        raise DeployerError("EngineUnreachable", "The Docker engine does not answer; start it.")

    with monkeypatch.context() as away:
        away.setattr(type(deployer), "status", refuses)
        for _ in range(4):
            assert not reconcile.step(serving.pk, deployer)
    now = queries.serving(serving.project, serving.name)
    assert (now.status, now.failure, now.setbacks) == (Status.RUNNING, None, {})
    assert now.condition_reason == (
        "The Docker engine does not answer; start it. As last seen: 1 of 1 replica ready"
    )
    assert gateway.targets == before
    assert list(ready(serving)) == ["r1-0-1"]
    assert settle().condition_reason == "1 of 1 replica ready"


class Away:
    """An engine that cannot be reached."""

    def apply(self, spec: ServingSpec) -> None:
        raise DeployerError("EngineUnreachable", "The Docker engine does not answer; start it.")

    def status(self, name: str) -> list[ReplicaStatus]:
        raise DeployerError("EngineUnreachable", "The Docker engine does not answer; start it.")

    def remove(self, name: str) -> None: ...

    def logs(self, name: str, replica: str, since: object = None) -> list[str]:
        return []


def test_an_engine_that_is_away_is_no_matter_for_servings_that_run_elsewhere(
    running: Create, settle: Settle, owner: Access, deployer: Deployer
) -> None:
    serving = running()
    both = SeveralDeployers({**deployer.deployers, "docker": Away()})  # type: ignore[attr-defined]
    scaling.scale(access=owner, serving=serving, replicas=2)
    eventually(lambda: reconcile.step(serving.pk, both))
    assert queries.serving(serving.project, serving.name).condition_reason == "2 of 2 replicas ready"


def test_what_is_at_an_engine_that_is_away_stands_and_ends_when_it_is_back(
    running: Create, owner: Access, deployer: Deployer
) -> None:
    serving = running()
    both = SeveralDeployers({**deployer.deployers, "docker": Away()})  # type: ignore[attr-defined]
    there = Replica.objects.create(
        serving=serving, name="r1-1-1", revision=1, slot=1, attempt=1, deployer="docker", state="Ready"
    )
    assert not reconcile.step(serving.pk, both)
    there.refresh_from_db()
    assert there.state == ReplicaState.READY
    services.stop(access=owner, serving=serving)
    eventually(lambda: reconcile.step(serving.pk, both) or list(ready(serving)) == [])
    there.refresh_from_db()
    assert there.state == ReplicaState.STOPPING
    assert not reconcile.step(serving.pk, both)
    assert queries.serving(serving.project, serving.name).status == Status.STOPPING


def test_an_engine_that_goes_away_before_a_start_is_no_setback(
    create: Create, owner: Access, deployer: Deployer, settle: Settle, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = create(FIRST)
    serving.revisions.update(overridden_by=owner.user)
    services.start(access=owner, serving=serving)
    with monkeypatch.context() as away:
        away.setattr(type(deployer), "apply", Away.apply)
        for _ in range(4):
            assert not reconcile.step(serving.pk, deployer)
    now = queries.serving(serving.project, serving.name)
    assert (now.failure, now.setbacks, now.status) == (None, {}, Status.STARTING)
    assert now.condition_reason.startswith("The Docker engine does not answer; start it. As last seen: ")
    assert settle().status == Status.RUNNING
