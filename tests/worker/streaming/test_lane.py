"""Requests in a topic are answered in another one by real model servers, at least once each, whatever comes between."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from serving.models import DeadLetter, Replica, Revision, Serving, Topic
from serving.states import ReplicaState
from tests.client.scripted import Scripted, drops, running, says
from tests.server.process import ServerProcess
from tests.worker.streaming.conftest import SCRIPT, Scene
from worker.streaming import counting, replies

pytestmark = pytest.mark.django_db


def test_requests_in_every_form_are_answered_with_their_ids(scene: Scene, server: ServerProcess) -> None:
    tensor = {"name": "rows", "shape": [2, 2], "datatype": "FP64", "data": [1, 2, 3, 4]}
    scene.send(
        {"id": "mlrun", "model": "iris", "operation": "infer", "inputs": [[1, 2]]},
        {"id": "v1", "instances": [[3, 4]]},
        {"id": "v2", "inputs": [tensor]},
        {"id": 7, "model": "iris", "version": "", "operation": "predict", "inputs": ["word"]},
        {"full_event_wrapper": True, "id": "event", "body": {"inputs": [[5, 5]]}, "key": "k"},
        {"inputs": [[8]]},
    )
    scene.lane()
    scene.until(lambda: len(scene.answers()) >= 6)
    said = {str(each["id"]): each for each in scene.answers()}
    assert {k: said[k]["predictions"] for k in ("mlrun", "v1", "7", "event")} == {
        "mlrun": [3],
        "v1": [7],
        "7": ["word"],
        "event": [10],
    }
    assert said["v2"]["outputs"][0]["data"] == [3.0, 7.0]
    (nameless,) = set(said) - {"mlrun", "v1", "v2", "7", "event"}
    place = said[nameless]["request"]
    assert nameless.endswith(f"-{place['partition']}-{place['offset']}")
    for each in said.values():
        assert (each["status"], each["model_name"], each["request"]["topic"]) == (200, "iris", scene.asked)
        assert datetime.fromisoformat(each["when"]).tzinfo is not None
        assert 0 < each["microsec"] < 20_000_000


def test_a_model_of_mlruns_gets_the_operation_that_was_asked_for(
    scene: Scene, serve: Callable[..., ServerProcess]
) -> None:
    script = """
    from mlrun.serving import V2ModelServer

    class Model(V2ModelServer):
        def load(self): pass
        def preprocess(self, request, operation):
            return request | {"operation": operation}
        def predict(self, request):
            return [request["operation"], *request["inputs"]]
        def explain(self, request):
            return ["because"]
        def op_shout(self, event):
            return {"loud": event.body["inputs"]}
    """
    found = serve(script, MODEL_NAME="iris").ready()
    scene.has_replica(":".join(map(str, found.address)))
    scene.send(
        {"id": "a", "operation": "infer", "inputs": [1]},
        {"id": "b", "operation": "explain", "inputs": [1]},
        {"id": "c", "model": "iris", "operation": "shout", "inputs": ["hey"]},
        {"id": "d", "inputs": [2]},
    )
    scene.lane()
    scene.until(lambda: len(scene.answers()) >= 4)
    said = {each["id"]: each for each in scene.answers()}
    assert said["a"]["outputs"] == ["infer", 1]
    assert said["b"]["outputs"] == ["because"]
    assert said["c"]["loud"] == ["hey"]
    assert said["d"]["outputs"][1:] == [2]


POISON = [
    (b"not json", "NotJson"),
    (b"\xff\xfe\x00", "NotJson"),
    (b"[" * 100_000, "NotJson"),
    (b"[1, 2]", "NotARequest"),
    (b"null", "NotARequest"),
    ({"model": {"a": 1}, "inputs": []}, "NotARequest"),
    ({"model": "rose", "inputs": [[1]]}, "ModelNotFound"),
    ({"model": "../../x?y#z\r\nhost: a", "inputs": [[1]]}, "ModelNotFound"),
    ({"model": "iris", "operation": "explain", "inputs": [[1]]}, "OperationNotFound"),
    ({"model": "iris"}, "BadBody"),
    ({"inputs": ["boom"]}, "PredictFailed"),
]


def test_what_cannot_be_answered_is_put_aside_and_stops_nothing(scene: Scene, server: ServerProcess) -> None:
    for number, (poison, _) in enumerate(POISON):
        scene.send(poison, {"id": number, "inputs": [[number]]})
    scene.lane()
    scene.until(lambda: len(scene.letters()) >= len(POISON) and len(scene.answers()) >= len(POISON))
    assert sorted(scene.ids()) == list(range(len(POISON)))
    codes = [each["code"] for each in scene.letters()]
    assert sorted(codes) == sorted(code for _, code in POISON)
    for each in scene.letters():
        assert each["reason"].strip()
        assert each["request"]["topic"] == scene.asked
    boom = next(each for each in scene.letters() if each["code"] == "PredictFailed")
    assert (boom["status"], boom["attempts"]) == (500, replies.MOST_FAILURES)
    assert boom["message"] == '{"inputs": ["boom"]}'
    assert next(each for each in scene.letters() if "message_base64" in each)["message_base64"] == "//4A"
    assert DeadLetter.objects.filter(topic__name=scene.asked).count() == len(POISON)
    made = Topic.objects.get(name=scene.dead)
    assert (made.project, made.state) == (scene.serving.project, Topic.State.READY)


def test_a_failure_that_passes_is_made_up_for(scene: Scene) -> None:
    replica = Scripted()
    with running(replica):
        scene.has_replica(replica.url.removeprefix("http://"))
        replica.then(says(500, {}), says(503, {}), says(429, {}), drops, says(200, {"predictions": [1]}))
        scene.send({"id": "a", "inputs": [1]})
        scene.lane()
        scene.until(scene.answers)
    assert scene.ids() == ["a"]
    assert not scene.letters()
    sent = replica.requests[-1]
    assert (sent.method, sent.path, sent.json) == ("POST", "/v2/models/predict", {"id": "a", "inputs": [1]})
    headers = {name.lower(): value for name, value in sent.headers.items()}
    assert headers["x-hopyard-internal"] == scene.serving.gateway_token
    assert (headers["x-hopyard-caller"], headers["x-request-id"]) == ("stream", "a")


def test_another_replica_answers_for_one_that_is_gone(scene: Scene, server: ServerProcess) -> None:
    scene.has_replica("127.0.0.1:9", "r1-1-1")
    scene.send(*({"id": number, "inputs": [[number]]} for number in range(6)))
    scene.lane()
    scene.until(lambda: len(scene.answers()) >= 6)
    assert scene.ids() == list(range(6))


def test_a_request_that_ends_replicas_is_given_up_in_the_end(
    scene: Scene, serve: Callable[..., ServerProcess]
) -> None:
    scene.send({"id": "poison", "inputs": ["die"]})
    going = scene.lane()
    for life in range(replies.MOST_FAILURES):
        server = serve(SCRIPT, MODEL_NAME="iris").ready()
        Replica.objects.all().delete()
        scene.has_replica(":".join(map(str, server.address)), f"r1-0-{life}")
        scene.until(lambda server=server: server.process.poll() is not None, lanes=[going])
        Replica.objects.all().delete()  # as the worker sees it a moment later
        scene.until(lambda: going._session is None, lanes=[going])
    last = serve(SCRIPT, MODEL_NAME="iris").ready()
    scene.has_replica(":".join(map(str, last.address)), "r1-0-9")
    scene.send({"id": "good", "inputs": [[1]]})
    scene.until(lambda: scene.letters() and scene.answers())
    assert [each["id"] for each in scene.letters()] == ["poison"]
    assert scene.ids() == ["good"]


def test_nothing_is_read_while_nobody_is_ready(scene: Scene, server: ServerProcess) -> None:
    Replica.objects.update(state=ReplicaState.STARTING)
    scene.send({"id": "a", "inputs": [[1]]})
    going = scene.lane()
    going.step()
    assert going._session is None
    Replica.objects.update(state=ReplicaState.READY)
    scene.until(scene.answers)
    assert scene.ids() == ["a"]
    Serving.objects.update(wanted_replicas=0)
    scene.until(lambda: going._session is None)
    scene.send({"id": "b", "inputs": [[1]]})
    going.step()
    assert scene.ids() == ["a"]


def test_what_was_committed_is_not_asked_again_and_the_rest_is(scene: Scene, server: ServerProcess) -> None:
    scene.send({"id": "a", "inputs": [[1]]})
    first = scene.lane()
    scene.until(scene.answers)
    first.stop()
    scene.send({"id": "b", "inputs": [[1]]}, {"id": "slow", "inputs": ["slow"]})
    second = scene.lane()
    scene.until(lambda: "b" in scene.ids(), lanes=[second])
    second._abandon()  # as by a kill: the slow one was under way
    third = scene.lane()
    scene.until(lambda: "slow" in scene.ids(), lanes=[third])
    assert scene.ids().count("a") == 1
    assert {"a", "b", "slow"} == set(scene.ids())


def test_without_an_output_topic_requests_are_only_asked(scene: Scene, server: ServerProcess) -> None:
    Revision.objects.update(output_topic="")
    scene.send({"id": "a", "inputs": [[1]]}, b"no request")
    going = scene.lane()
    scene.until(scene.letters)
    going.stop()
    assert not scene.answers()
    assert Topic.objects.get(name=scene.asked).consumed["answered"] == 1


def test_an_answer_that_the_topic_does_not_take_is_put_aside(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = Scripted()
    with running(replica):
        scene.has_replica(replica.url.removeprefix("http://"))
        size = 70 * 1024 * 1024
        replica.then(says(200, {"predictions": ["x" * size]}), says(200, {"predictions": [1]}))
        scene.send({"id": "large", "inputs": [1]})
        scene.lane(at_once=1)
        scene.until(scene.letters)
        scene.send({"id": "small", "inputs": [1]})
        scene.until(scene.answers)
    assert scene.ids() == ["small"]
    (letter,) = scene.letters()
    assert (letter["id"], letter["code"], letter["status"]) == ("large", "AnswerTooLarge", 200)


def test_the_input_topic_counts_what_became_of_its_requests(
    scene: Scene, server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "EVERY_SECONDS", 0.05)
    scene.send({"id": "a", "inputs": [[1]]}, {"id": "b", "inputs": ["boom"]}, b"no request")
    scene.lane()

    def counts() -> Any:
        said = Topic.objects.get(name=scene.asked).consumed
        return said if said.get("dead") == 2 and said["lag"] == 0 else None

    said = scene.until(counts)
    assert (said["answered"], said["failed"]) == (1, replies.MOST_FAILURES - 1)
    assert datetime.fromisoformat(said["since"])
    assert said["problem"] == ""
