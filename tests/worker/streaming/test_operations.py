"""Requests for operations that a model has not, and for those of its own, to real model servers."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.server.process import ServerProcess
from tests.worker.streaming.conftest import Scene
from worker.streaming import operations
from worker.streaming.replies import Reply
from worker.streaming.requests import Request

pytestmark = pytest.mark.django_db

MLRUN = """
from mlrun.serving import V2ModelServer

class Model(V2ModelServer):
    def load(self): pass
    def predict(self, request):
        return request["inputs"]
    def op_shout(self, event):
        return {"loud": event.body["inputs"]}
"""
KSERVE = """
from kserve import Model

class Echo(Model):
    def load(self):
        self.ready = True
        return True
    def predict(self, payload, headers=None):
        return {"predictions": payload["instances"]}
"""
CLASSIFY = """
class Predict:
    def classify(self, inputs):
        return inputs
"""
OF_MLRUN = "infer, predict, and what its script defines as op_<name>"


@pytest.fixture
def told(scene: Scene, serve: Callable[..., ServerProcess]) -> Callable[..., dict[str, dict[str, Any]]]:
    """What became of requests to a replica that serves a script, by their ids."""

    def ask(script: str, *requests: dict[str, Any]) -> dict[str, dict[str, Any]]:
        found = serve(script, MODEL_NAME="iris").ready()
        scene.has_replica(":".join(map(str, found.address)))
        scene.send(*requests)
        scene.lane()
        scene.until(lambda: len(scene.answers() + scene.letters()) >= len(requests))
        return {each["id"]: each for each in scene.answers() + scene.letters()}

    return ask


@pytest.mark.parametrize(
    ("script", "has"),
    [
        ("class Predict:\n    def predict(self, inputs): return inputs", "infer, predict"),
        (KSERVE, "infer, predict, explain"),
        (MLRUN, OF_MLRUN),
    ],
    ids=["predict", "kserve", "mlrun"],
)
def test_an_operation_that_a_model_has_not_is_named_with_those_it_has(
    script: str, has: str, told: Callable[..., dict[str, dict[str, Any]]]
) -> None:
    said = told(
        script,
        {"id": "named", "model": "iris", "operation": "nope", "inputs": [1]},
        {"id": "nameless", "operation": "nope", "inputs": [1]},
        {"id": "wrapped", "full_event_wrapper": True, "body": {"operation": "nope", "inputs": [1]}},
        {"id": "ready", "model": "iris", "operation": "ready"},
        {"id": "model", "model": "rose", "operation": "nope", "inputs": [1]},
    )
    for name in ("named", "nameless", "wrapped"):
        assert said[name]["reason"] == f"The model iris has no operation nope; it has {has}."
        assert (said[name]["code"], said[name]["attempts"]) == ("OperationNotFound", 1)
    assert said["ready"]["reason"].startswith("The model iris has no operation ready; it has ")
    assert "rose" in said["model"]["reason"], "an unknown model is still called one"
    assert said["model"]["code"] != "OperationNotFound"


def test_an_operation_of_the_scripts_own_is_found_without_the_models_name(
    told: Callable[..., dict[str, dict[str, Any]]],
) -> None:
    said = told(
        MLRUN,
        {"id": "a", "operation": "shout", "inputs": ["hey"]},
        {"id": "b", "model": "iris", "operation": "shout", "inputs": ["ho"]},
    )
    assert (said["a"].get("loud"), said["b"].get("loud")) == (["hey"], ["ho"])


def test_a_model_without_the_operation_that_nobody_named_is_said_to_have_others(
    told: Callable[..., dict[str, dict[str, Any]]],
) -> None:
    said = told(CLASSIFY, {"id": "a", "inputs": [1]}, {"id": "b", "operation": "classify", "inputs": [1]})
    assert said["a"]["reason"] == "The model iris has no operation predict; it has classify."
    assert said["b"]["status"] == 200


def reply(status: int, body: object) -> Reply:
    return Reply(status, body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.mark.parametrize(
    ("answer", "model", "is_unknown"),
    [
        (reply(404, {"error": "", "code": "NotFound"}), "m", True),
        (reply(404, {"error": "", "code": "ModelNotFound"}), "", True),
        (reply(404, {"error": "", "code": "ModelNotFound"}), "m", False),
        (reply(405, {"error": "", "code": "MethodNotAllowed"}), "m", True),
        (reply(404, {"error": "the model's own words"}), "m", False),
        (reply(404, [1]), "m", False),
        (reply(404, b"\xff"), "m", False),
        (reply(400, b"ValueError: illegal model operation x, method=POST"), "m", True),
        (reply(400, b"ValueError: illegal"), "m", False),
        (reply(200, {"code": "NotFound"}), "m", False),
        (reply(500, {"code": "NotFound"}), "m", False),
    ],
)
def test_only_what_the_server_says_itself_of_operations_is_said_anew(
    answer: Reply, model: str, *, is_unknown: bool
) -> None:
    assert operations.is_unknown(Request("1", "1", "/", b"", model=model), answer) is is_unknown


@pytest.mark.parametrize("about", [{}, {"verbs": 3, "name": []}, {"verbs": [], "name": "m"}])
def test_where_the_model_cannot_tell_its_operations_the_unknown_one_is_named(about: dict[str, Any]) -> None:
    asked = Request("1", "1", "/", b"", operation="nope")
    said = json.loads(operations.explained(asked, Reply(404), about).body)
    assert said["error"].endswith(" has no operation nope.")


@pytest.mark.parametrize("operation", ["infer", "predict", "shout"])
def test_an_operation_that_the_model_has_after_all_is_answered_in_the_models_words(operation: str) -> None:
    said = reply(404, {"error": "There is no customer 42.", "code": "ModelNotFound"})
    asked = Request("1", "1", "/", b"", operation=operation)
    assert operations.explained(asked, said, {"name": "m", "verbs": ["predict", "shout"]}) is said
