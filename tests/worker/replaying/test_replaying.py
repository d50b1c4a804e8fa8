"""Replays made by real steps, with real throw-away replicas."""

from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from django.conf import settings
from django.utils import timezone

from accounts.access import Access
from serving import services
from serving.errors import NoSuchServing
from serving.models import InferenceRecord, Replay, Serving
from serving.replays import services as replays
from tests.waiting import eventually
from tests.worker.replaying.conftest import Finish
from worker import lease, reconcile
from worker.deployers.base import Deployer
from worker.probe import probe
from worker.replaying import stepping

SUMS = "class Predict:\n    def predict(self, inputs):\n        return [sum(row) for row in inputs]\n"
ROUNDED_UP = (
    "class Predict:\n    def predict(self, inputs):\n"
    "        return [sum(row) + (0.25 if row[0] > 1 else 0) for row in inputs]\n"
)
DIES = """
import os

class Predict:
    def predict(self, inputs):
        if inputs[0][0] == 1:
            os._exit(3)
        return inputs
"""
CANNOT_START = """
class Predict:
    def __init__(self):
        raise ValueError("no weights")

    def predict(self, inputs):
        return inputs
"""

Create = Callable[..., Serving]
Begin = Callable[[Serving], Replay]


def recorded(serving: Serving, number: int, **facts: object) -> InferenceRecord:
    usual = {
        "request_id": f"call-{number}",
        "revision": 1,
        "replica": "r1-0-1",
        "verb": "predict",
        "protocol": "v1",
        "status": 200,
        "requested_at": timezone.now() + timedelta(seconds=number - 600),
        "duration_us": 1000,
        "inputs": f'{{"instances": [[{number}, 1]]}}',
        "outputs": f'{{"predictions": [{number + 1}]}}',
    }
    return InferenceRecord.objects.create(serving=serving, **usual | facts)


def ask(owner: Access, serving: Serving, **options: object) -> Replay:
    return replays.ask(access=owner, serving=serving, **{"revision": 1, "selection": {}} | options)  # type: ignore[arg-type]


@pytest.fixture
def begin(owner: Access, deployer: Deployer) -> Begin:
    """A replay of one call whose replica is there."""

    def run(serving: Serving) -> Replay:
        recorded(serving, 1)
        replay = ask(owner, serving)
        eventually(
            lambda: stepping.step(replay.pk, deployer) is False and deployer.status(replay.key), seconds=60
        )
        return replay

    return run


def test_the_answers_of_another_revision_are_compared_call_by_call(
    create: Create, owner: Access, export: Callable[..., object], finish: Finish
) -> None:
    serving = create(SUMS)
    for number in range(4):
        recorded(serving, number)
    export(files={"predictor.py": ROUNDED_UP, "weights.txt": "1 2 3"})
    serving = services.update(access=owner, serving=serving, changes={"script": "Models/iris/2/predictor.py"})
    replay = finish(ask(owner, serving, revision=2))
    assert (replay.state, replay.failure) == ("done", None)
    assert (replay.total, replay.asked, replay.differing) == (4, 4, 2)
    assert [call.differs for call in replay.calls.order_by("requested_at")] == [False, False, True, True]
    assert replay.calls.get(request_id="call-2").difference == "[0]: 3, now 3.25"
    assert (replay.summary["largest_change"], replay.summary["failing"]) == (0.25, 0)
    assert replay.summary["new_us"]["p50"] > 0


def test_the_revision_that_was_asked_then_answers_the_same(
    create: Create, owner: Access, finish: Finish
) -> None:
    serving = create(SUMS)
    recorded(serving, 1)
    recorded(serving, 2, inputs="", outputs="")
    recorded(serving, 3, inputs='{"nothing": 1}', status=400, outputs="")
    replay = finish(ask(owner, serving))
    assert (replay.asked, replay.differing) == (2, 0)
    assert replay.skipped == {"its inputs were not kept": 1}


def test_an_answer_that_was_not_kept_does_not_differ(create: Create, owner: Access, finish: Finish) -> None:
    serving = create(SUMS)
    recorded(serving, 1, outputs="")
    replay = finish(ask(owner, serving))
    assert (replay.asked, replay.differing) == (1, 0)
    assert replay.calls.get().difference == "The recorded answer was not kept."


def test_a_call_that_kills_the_replica_is_told_and_the_others_are_asked(
    create: Create, owner: Access, finish: Finish
) -> None:
    serving = create(DIES)
    for number in range(3):
        recorded(serving, number, outputs=f'{{"predictions": [[{number}, 1]]}}')
    replay = finish(ask(owner, serving))
    assert (replay.state, replay.asked, replay.differing) == ("done", 3, 1)
    assert "replica ended" in replay.calls.get(request_id="call-1").difference


def test_a_revision_that_cannot_start_ends_the_replay_with_the_reason(
    create: Create, owner: Access, finish: Finish
) -> None:
    serving = create(CANNOT_START)
    recorded(serving, 1)
    replay = finish(ask(owner, serving))
    assert replay.state == "failed"
    assert replay.failure is not None
    assert "no weights" in replay.failure["reason"] + replay.failure["evidence"]


def test_one_that_is_ended_leaves_no_replica(
    create: Create, owner: Access, begin: Begin, finish: Finish
) -> None:
    replay = begin(create(SUMS))
    replays.end(access=owner, replay=replay)
    assert finish(replay).state == "failed"


def test_a_serving_that_is_deleted_leaves_no_replica_of_its_replays(
    create: Create, owner: Access, deployer: Deployer, begin: Begin
) -> None:
    serving = create(SUMS)
    replay = begin(serving)
    services.delete(access=owner, serving=serving)
    with pytest.raises(NoSuchServing):
        ask(owner, serving)
    with lease.hold(replay.pk, Replay):
        assert not reconcile.step(serving.pk, deployer), "somebody is at it"
    assert Replay.objects.filter(pk=replay.pk).exists()
    assert reconcile.step(serving.pk, deployer)
    assert deployer.status(replay.key) == []
    assert not (settings.KEYS_DIR / f"{replay.key}.json").exists()
    assert not Serving.objects.filter(pk=serving.pk).exists()


def test_a_replica_whose_removal_was_forgotten_goes_with_the_next_look(
    create: Create, owner: Access, deployer: Deployer, begin: Begin
) -> None:
    replay = begin(create(SUMS))
    replays.end(access=owner, replay=replay)
    (left,) = stepping.unfinished()
    assert stepping.step(left.pk, deployer)
    assert deployer.status(replay.key) == []
    assert not stepping.unfinished().exists()


def test_nobody_but_the_platform_may_ask_its_replica(
    create: Create, owner: Access, deployer: Deployer
) -> None:
    serving = create(SUMS)
    recorded(serving, 1)
    replay = ask(owner, serving)

    def address() -> str:
        stepping._step(Replay.objects.get(pk=replay.pk), deployer)
        statuses = deployer.status(replay.key)
        found = statuses[0].address if statuses else ""
        return found if found and probe([found])[found].is_ready else ""

    try:
        found = eventually(address, seconds=60)
        body = {"instances": [[1, 2]]}
        assert httpx.post(f"http://{found}/v1/models/iris:predict", json=body).status_code == 401
    finally:
        deployer.remove(replay.key)
