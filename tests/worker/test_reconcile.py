"""A serving follows its wish: start, predict, heal, update, stop, and fail with the reason."""

import json
import os
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.access import Access
from models_registry.models import ModelVersion
from serving import gateway, logs, queries, services
from serving.models import InferenceRecord, Replica, Revision, Serving, TopicOffset
from serving.states import ReplicaState, Status
from tests.waiting import eventually
from tests.worker.conftest import take_steps
from worker import reconcile
from worker.consuming import trimming
from worker.deployers.base import Deployer, Phase, ServingSpec
from worker.streaming import wanted

SUMS = "class Predict:\n    def predict(self, inputs):\n        return [sum(row) for row in inputs]\n"

Settle = Callable[..., Serving]
Create = Callable[..., Serving]


def ask(serving: Serving) -> gateway.Answer:
    body = json.dumps({"instances": [[1, 2]]}).encode()
    return gateway.forward(
        serving,
        method="POST",
        path=f"v1/models/{serving.name}:predict",
        body=body,
        headers={"Content-Type": "application/json"},
        request_id="r1",
    )


def ready(serving: Serving) -> list[Replica]:
    return list(serving.replicas.filter(state=ReplicaState.READY).order_by("slot"))


def kill(replica: Replica) -> None:
    os.kill(int(replica.place.removeprefix("pid ")), signal.SIGKILL)


def edit_script(access: Access, serving: Serving, export: Callable[..., ModelVersion], script: str) -> None:
    version = export(files={"predictor.py": script})
    changes = {"script": f"{version.folder}/predictor.py", "model_version": version.number}
    services.update(access=access, serving=serving, changes=changes)


def test_a_new_serving_has_its_artifact_and_waits_for_run(create: Create, settle: Settle) -> None:
    assert str(create().current.artifact) == "iris_1_0"
    assert settle().status == Status.CREATED


def test_started_it_runs_and_predicts_on_every_replica(create: Create, settle: Settle, owner: Access) -> None:
    services.start(access=owner, serving=create(SUMS, replicas=2))
    serving = settle()
    assert (serving.status, serving.condition_reason) == (Status.RUNNING, "2 of 2 replicas ready")
    answers = [ask(serving) for _ in range(8)]
    assert {answer.body for answer in answers} == {b'{"predictions":[3]}'}
    assert {answer.headers["x-hopyard-replica"] for answer in answers} == {"r1-0-1", "r1-1-1"}


def test_stopped_it_has_no_replica_and_says_so_to_callers(
    create: Create, settle: Settle, owner: Access
) -> None:
    services.start(access=owner, serving=create(SUMS))
    settle()
    services.stop(access=owner, serving=settle())
    serving = settle()
    assert serving.status == Status.STOPPED
    assert not serving.replicas.exclude(state=ReplicaState.EXITED).exists()
    assert ask(serving).code == "NotRunning"


def test_a_killed_replica_is_replaced_and_the_serving_answers_on(
    create: Create, settle: Settle, owner: Access
) -> None:
    services.start(access=owner, serving=create(SUMS, replicas=2))
    serving = settle()
    kill(ready(serving)[0])
    assert ask(serving).body == b'{"predictions":[3]}'
    eventually(
        lambda: len(ready(settle())) == 2 and serving.replicas.filter(state=ReplicaState.EXITED).exists()
    )
    ended = serving.replicas.get(state=ReplicaState.EXITED)
    assert ended.exit.startswith("Killed: After it had been ready: the replica was ended by SIGKILL")
    assert settle().failure is None


def start_unchecked(owner: Access, serving: Serving) -> None:
    """Start it whatever its pre-flight will find, so that its replicas fail and not the check."""
    Revision.objects.filter(pk=serving.revision_id).update(overridden_by=owner.user)
    services.start(access=owner, serving=serving)


def test_stop_is_honoured_while_starting(
    create: Create, settle: Settle, owner: Access, deployer: Deployer
) -> None:
    slow = "import time\n" + SUMS + "    def __init__(self):\n        time.sleep(600)\n"
    serving = create(slow)
    start_unchecked(owner, serving)
    eventually(lambda: reconcile.step(serving.pk, deployer) or deployer.status(serving.key))
    services.stop(access=owner, serving=serving)
    assert settle().status == Status.STOPPED


FAILURES = {
    "ScriptSyntaxError": ("class Predict:\n    def predict(self, inputs)\n        return inputs\n", "line 2"),
    "ClassMissing": ("class Forecast:\n    pass\n", "Forecast"),
    "MethodMissing": ("class Predict:\n    pass\n", "predict"),
    "DependencyMissing": ("import xgboost_that_nobody_has\n" + SUMS, "xgboost_that_nobody_has"),
    "ModelFileMissing": (SUMS + "    def __init__(self):\n        open('model.pkl', 'rb')\n", "model.pkl"),
    "LoadFailed": (
        SUMS + "    def __init__(self):\n        raise RuntimeError('no licence')\n",
        "no licence",
    ),
    "OutOfMemory": (
        SUMS + "    def __init__(self):\n        self.held = [bytearray(4_000_000) for _ in range(500)]\n",
        "128 MB",
    ),
    "Crashed": ("import os\n" + SUMS + "    def __init__(self):\n        os._exit(7)\n", "exit code 7"),
    "Killed": (
        "import os\n" + SUMS + "    def __init__(self):\n        os.kill(os.getpid(), 9)\n",
        "SIGKILL",
    ),
}


@pytest.mark.parametrize("code", FAILURES)
def test_a_script_that_cannot_serve_ends_in_failed_with_the_reason(
    code: str, create: Create, settle: Settle, owner: Access
) -> None:
    script, said = FAILURES[code]
    start_unchecked(owner, create(script, memory_mb=128))
    serving = settle()
    assert serving.status == Status.FAILED
    assert serving.failure is not None
    assert serving.failure["code"] == code
    assert said in serving.failure["reason"] + serving.failure["evidence"]
    assert serving.condition_reason == serving.failure["reason"]
    assert 1 <= serving.failure["attempt"] <= 3
    assert serving.events.filter(status=Status.FAILED, actor="worker").count() == 1
    assert len(logs.tail(serving)) == serving.failure["attempt"]
    assert ask(serving).code == code


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("import time\ntime.sleep(600)\n", "StartTimeout"),
        (SUMS + "    def __init__(self):\n        import time; time.sleep(600)\n", "StartTimeout"),
    ],
)
def test_a_start_that_takes_too_long_is_a_failure(
    script: str, code: str, create: Create, settle: Settle, owner: Access, settings
) -> None:
    settings.START_TIMEOUT_SECONDS = 1
    settings.MAX_START_ATTEMPTS = 1
    start_unchecked(owner, create(script))
    serving = settle()
    assert (serving.status, serving.failure["code"]) == (Status.FAILED, code)
    assert not serving.replicas.exclude(state=ReplicaState.EXITED).exists()


def test_a_serving_whose_port_another_program_has_says_so(
    create: Create, settle: Settle, owner: Access
) -> None:
    import socket

    serving = create(SUMS)
    with socket.socket() as other:
        other.bind(("127.0.0.1", serving.port))
        other.listen()
        services.start(access=owner, serving=serving)
        failed = settle()
    assert failed.failure["code"] == "PortUnavailable"
    assert str(serving.port) in failed.failure["reason"]
    services.start(access=owner, serving=failed)
    assert settle().status == Status.RUNNING


def test_a_crash_loop_ends_after_a_bounded_number_of_attempts(
    create: Create, settle: Settle, owner: Access
) -> None:
    suicidal = (
        "import os, threading\n"
        + SUMS
        + "    def __init__(self): threading.Timer(1.0, os._exit, [9]).start()\n"
    )
    start_unchecked(owner, create(suicidal))
    eventually(lambda: settle().has_given_up, seconds=60)
    serving = settle()
    assert (serving.status, serving.failure["code"], serving.failure["attempt"]) == (
        Status.FAILED,
        "CrashLoop",
        3,
    )
    assert serving.replicas.count() == 3


def test_a_failed_serving_starts_again_once_the_script_is_mended(
    create: Create, settle: Settle, owner: Access, export: Callable[..., ModelVersion]
) -> None:
    services.start(access=owner, serving=create("class Forecast: pass\n"))
    assert settle().status == Status.FAILED
    edit_script(owner, settle(), export, SUMS)
    serving = settle()
    assert (serving.status, serving.failure) == (Status.RUNNING, None)
    assert ask(serving).body == b'{"predictions":[3]}'


def test_an_update_moves_to_the_new_revision_on_the_same_port(
    create: Create, settle: Settle, owner: Access, export: Callable[..., ModelVersion]
) -> None:
    services.start(access=owner, serving=create(SUMS))
    before = settle()
    edit_script(owner, before, export, SUMS.replace("sum(row)", "max(row)"))
    after = settle()
    assert (after.status, after.port) == (Status.RUNNING, before.port)
    assert ask(after).body == b'{"predictions":[2]}'
    assert {replica.revision for replica in ready(after)} == {2}


def test_a_broken_update_leaves_the_old_revision_answering_and_says_why(
    create: Create, settle: Settle, owner: Access, export: Callable[..., ModelVersion]
) -> None:
    services.start(access=owner, serving=create(SUMS))
    edit_script(owner, settle(), export, "class Predict:\n    oops\n")
    serving = settle()
    assert serving.status == Status.RUNNING
    assert serving.condition_reason.startswith("Revision 1 answers; the update to revision 2 failed: ")
    assert ask(serving).body == b'{"predictions":[3]}'
    services.roll_back(access=owner, serving=serving, number=1)
    serving = settle()
    assert (serving.status, serving.failure) == (Status.RUNNING, None)
    assert {replica.revision for replica in ready(serving)} == {3}


def test_a_good_revision_is_healed_and_brought_back_after_a_broken_update(
    create: Create,
    settle: Settle,
    owner: Access,
    export: Callable[..., ModelVersion],
    deployer: Deployer,
) -> None:
    services.start(access=owner, serving=create(SUMS))
    edit_script(owner, settle(), export, "class Predict:\n    oops\n")
    serving = settle()
    kill(ready(serving)[0])
    eventually(lambda: deployer.status(serving.key)[0].exit)
    assert ask(settle()).body == b'{"predictions":[3]}'
    deployer.apply(ServingSpec(name=serving.key, host="", port=0, keys_file=Path()))  # as Ctrl-C does
    eventually(lambda: not [each for each in deployer.status(serving.key) if each.phase != Phase.EXITED])
    serving = settle()
    assert ask(serving).body == b'{"predictions":[3]}'
    assert serving.condition_reason.startswith("Revision 1 answers; the update to revision 2 failed: ")


def test_losing_every_replica_at_once_is_healed(
    create: Create, settle: Settle, owner: Access, deployer: Deployer
) -> None:
    services.start(access=owner, serving=create(SUMS, replicas=3))
    serving = settle()
    for replica in ready(serving):
        kill(replica)
    eventually(lambda: all(each.exit for each in deployer.status(serving.key)))
    assert settle().condition_reason == "3 of 3 replicas ready"


def test_a_replica_that_stops_answering_is_replaced(
    create: Create, settle: Settle, owner: Access, settings
) -> None:
    settings.UNRESPONSIVE_SECONDS = 1
    settings.STOP_GRACE_SECONDS = 1
    services.start(access=owner, serving=create(SUMS))
    serving = settle()
    frozen = ready(serving)[0]
    os.kill(int(frozen.place.removeprefix("pid ")), signal.SIGSTOP)
    eventually(lambda: [each.name for each in ready(settle())] not in ([], [frozen.name]))
    frozen.refresh_from_db()
    assert frozen.exit.startswith("Unresponsive: ")
    assert ask(serving).body == b'{"predictions":[3]}'


def test_a_request_that_kills_its_replica_is_sent_to_one_more_and_no_further(
    create: Create, settle: Settle, owner: Access
) -> None:
    deadly = "import os\nclass Predict:\n    def predict(self, inputs):\n        os._exit(1)\n"
    services.start(access=owner, serving=create(deadly, replicas=3))
    serving = settle()
    assert ask(serving).code == "NoReplica"
    eventually(lambda: len(ready(settle())) == 3)
    assert serving.replicas.filter(state=ReplicaState.EXITED).count() == 2


def test_the_old_replicas_stay_ready_until_the_new_ones_are(
    create: Create, settle: Settle, owner: Access, export: Callable[..., ModelVersion], deployer: Deployer
) -> None:
    services.start(access=owner, serving=create(SUMS))
    serving = settle()
    edit_script(owner, serving, export, "import time\n" + SUMS + "    def __init__(self): time.sleep(1.5)\n")
    seen = set()

    def takes_a_step() -> bool:
        has_settled = take_steps(serving.pk, deployer)
        seen.add((queries.serving(serving.project, serving.name).status, ask(serving).body))
        return has_settled

    eventually(takes_a_step)
    assert {body for _, body in seen} == {b'{"predictions":[3]}'}
    assert {status for status, _ in seen} == {Status.UPDATING, Status.RUNNING}


def test_predictions_that_keep_failing_show_in_the_reason(
    create: Create, settle: Settle, owner: Access
) -> None:
    broken = "class Predict:\n    def predict(self, inputs):\n        raise ValueError('bad weights')\n"
    services.start(access=owner, serving=create(broken))
    serving = settle()
    answers = {ask(serving).status for _ in range(3)}
    assert answers == {500}
    assert "the last 3 predictions failed: ValueError: bad weights" in settle().condition_reason


def test_a_serving_with_an_input_example_that_fails_never_becomes_ready(
    settle: Settle, owner: Access, export: Callable[..., ModelVersion], create: Create
) -> None:
    create(SUMS)
    version = export(files={"predictor.py": SUMS, "input_example.json": '{"instances": [["a", 1]]}'})
    changes = {"script": f"{version.folder}/predictor.py", "model_version": version.number}
    serving = services.update(access=owner, serving=settle(), changes=changes)
    services.start(access=owner, serving=serving)
    serving = settle()
    assert (serving.status, serving.failure["code"]) == (Status.FAILED, "PredictFailed")


def test_deleting_a_running_serving_ends_its_replicas_and_then_its_rows(
    create: Create, settle: Settle, owner: Access, deployer: Deployer
) -> None:
    services.start(access=owner, serving=create(SUMS))
    serving = settle()
    services.delete(access=owner, serving=serving)
    assert not queries.servings(serving.project).exists()
    assert reconcile.step(serving.pk, deployer)
    assert not Serving.objects.filter(pk=serving.pk).exists()
    assert deployer.status(serving.key) == []


def test_what_was_kept_of_a_deleted_serving_goes_in_steps_before_it(
    create: Create, owner: Access, deployer: Deployer, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = create(SUMS)
    group = wanted.group(serving)
    TopicOffset.objects.create(group=group, path="asked/x.000001.log", position=7)
    TopicOffset.objects.create(path="asked/x.000001.log", position=7)
    monkeypatch.setattr(trimming, "STEP_ELSEWHERE", 2)
    monkeypatch.setattr(trimming, "STEP", 2)
    facts: dict[str, Any] = {
        "serving": serving,
        "revision": 1,
        "verb": "predict",
        "status": 200,
        "duration_us": 1,
    }
    for number in range(7):
        at = timezone.now() - timedelta(seconds=number)
        InferenceRecord.objects.create(request_id=f"{number}", requested_at=at, **facts)
    services.delete(access=owner, serving=serving)
    with CaptureQueriesContext(connection) as asked:
        assert reconcile.step(serving.pk, deployer)
    deletions = [
        each["sql"] for each in asked if each["sql"].startswith('DELETE FROM "serving_inferencerecord"')
    ]
    assert len(deletions) > 2
    assert not InferenceRecord.objects.exists()
    assert [each.group for each in TopicOffset.objects.all()] == ["records"]


def test_two_steps_at_once_do_the_work_once(create: Create, owner: Access, deployer: Deployer) -> None:
    serving = create(SUMS)
    services.start(access=owner, serving=serving)
    until = timezone.now() + timedelta(minutes=1)
    Serving.objects.filter(pk=serving.pk).update(lease="somebody", lease_until=until)
    assert not reconcile.step(serving.pk, deployer)
    assert deployer.status(serving.key) == []


def test_a_lease_left_behind_by_a_dead_worker_runs_out(
    create: Create, owner: Access, deployer: Deployer
) -> None:
    serving = create(SUMS)
    start_unchecked(owner, serving)
    until = timezone.now() - timedelta(seconds=1)
    Serving.objects.filter(pk=serving.pk).update(lease="dead", lease_until=until)
    reconcile.step(serving.pk, deployer)
    assert deployer.status(serving.key)


def test_a_wish_that_comes_during_a_step_is_not_overwritten(
    create: Create, owner: Access, settle: Settle, deployer: Deployer, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = create(SUMS)
    settle()
    look = deployer.status

    def meanwhile(name: str) -> object:
        services.start(access=owner, serving=serving)
        return look(name)

    monkeypatch.setattr(type(deployer), "status", lambda self, name: meanwhile(name))
    assert not reconcile.step(serving.pk, deployer)
    monkeypatch.undo()
    assert settle().status == Status.RUNNING


def test_a_step_for_a_serving_that_is_gone_is_harmless(db: None, deployer: Deployer) -> None:
    assert reconcile.step(12345, deployer)
