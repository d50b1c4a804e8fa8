"""Settings, waiting and predictions, and the functions in Hopsworks' manner over them."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

import hopyard
from hopyard import model, serving
from hopyard.client import Client, Failure, ServerError, Serving, ServingFailed, TimedOut
from hopyard.client.serving_records import Condition
from hopyard.client.waiting import until_running
from tests.client.scripted import ENDED, READY, SERVING, VERSION, Scripted, page, refuses, says, says_raw

PATH = "/api/projects/demo/servings/iris/"
SCRIPT = "Models/iris/1/predictor.py"
FAILURE = Failure("ScriptImportFailed", "No module named 'xgboost'.", "Traceback ...\nModuleNotFoundError")


def as_serving(status: str, **facts: Any) -> Serving:
    return Serving(name="iris", status=status, **facts)


@pytest.fixture
def connected(scripted: Scripted) -> Client:
    return hopyard.connect(scripted.url, "hop_test", "demo")


def wait_for(*seen: Serving, answers: bool = True, timeout: float = 60) -> Serving:
    looks = iter(seen)
    return until_running(lambda: next(looks), lambda _: answers, timeout)


def test_waiting_ends_when_the_serving_runs(pauses: list[float]) -> None:
    starting = as_serving("Starting", wanted_replicas=1)
    assert wait_for(starting, as_serving("Updating"), as_serving("Running")).status == "Running"
    assert pauses == [0.2, pytest.approx(0.3)]


def test_a_failure_is_raised_with_its_reason_and_evidence() -> None:
    with pytest.raises(ServingFailed) as caught:
        wait_for(as_serving("Failed", failure=FAILURE))
    assert (caught.value.code, caught.value.reason) == (FAILURE.code, FAILURE.reason)
    assert str(caught.value) == (
        "Serving iris failed (ScriptImportFailed): No module named 'xgboost'.\n"
        "Traceback ...\nModuleNotFoundError"
    )


def test_a_failed_update_is_raised_though_the_revision_before_answers() -> None:
    with pytest.raises(ServingFailed, match="No module named 'xgboost'"):
        wait_for(as_serving("Running", failure=FAILURE), answers=False)


def test_a_failure_of_other_replicas_does_not_matter_to_one_that_answers() -> None:
    assert wait_for(as_serving("Running", failure=FAILURE)).is_running


def test_the_failure_of_the_attempt_before_does_not_end_the_wait() -> None:
    assert wait_for(as_serving("Failed", wanted_replicas=1), as_serving("Running")).status == "Running"


def test_a_serving_stopped_meanwhile_ends_the_wait() -> None:
    with pytest.raises(ServingFailed, match="start it first"):
        wait_for(as_serving("Stopped"))


def test_a_stopped_serving_that_was_just_asked_to_start_is_waited_for() -> None:
    assert wait_for(as_serving("Stopped", wanted_replicas=1), as_serving("Running")).status == "Running"


def test_a_serving_that_takes_too_long_says_what_it_was_doing() -> None:
    waiting = as_serving("Starting", condition=Condition(reason="Installing 3 packages"))
    with pytest.raises(TimedOut, match="still Starting after 0 seconds: Installing 3 packages"):
        wait_for(waiting, timeout=0)


@pytest.mark.parametrize("name", ["", "iris flower", "iris-flower", "a" * 257, "iris\n", "îris"])
def test_a_name_hopsworks_refuses_is_refused(connected: Client, scripted: Scripted, name: str) -> None:
    with pytest.raises(ValueError, match="1 to 256 letters and digits"):
        serving.create_or_update(name, SCRIPT)
    assert scripted.requests == []


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"model_path": "Models/iris/1"}, "ends in .py"),
        ({"model_version": 2}, "belongs to version 1 of iris"),
        ({"model_version": "1"}, "version '?1"),
        ({"instances": "1"}, "replicas is a whole number"),
        ({"instances": 1.5}, "replicas is a whole number"),
        ({"instances": True}, "replicas is a whole number"),
        ({"num_partitions": 0}, "topic_partitions is a whole number from 1"),
        ({"inference_logging": "SOME"}, "inference_logging is one of"),
        ({"transformer": "Resources/t.ipynb"}, "transformer is a path that ends in .py"),
        (
            {"transformer": "Resources/t.py", "transformer_instances": 0},
            "transformer_replicas is a whole number",
        ),
        ({"transformer_instances": 2}, "is for a transformer, and there is none"),
        ({"artifact_version": "NEWEST"}, "artifact_version is CREATE, MODEL-ONLY or a number, not 'NEWEST'"),
        ({"artifact_version": True}, "artifact_version is CREATE"),
        ({"kfserving": True}, "needs no KFServing"),
        ({"model_server": "TENSORFLOW_SERVING"}, "is not available"),
        ({"predictor_resource_config": {"memory": 1}}, "lacks cores"),
        ({"predictor_resource_config": {"memory": 1, "cores": 1, "disk": 1}}, "has no 'disk'"),
    ],
)
def test_what_cannot_be_right_is_refused_before_any_request(
    connected: Client, scripted: Scripted, given: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        serving.create_or_update(**{"serving_name": "iris", "model_path": SCRIPT, **given})
    assert scripted.requests == []


def test_an_unknown_setting_is_refused_with_those_there_are(client: Client) -> None:
    with pytest.raises(ValueError, match="no setting 'replica'; there are alias, artifact_version, batching"):
        client.servings.update("iris", replica=2)  # type: ignore[call-arg]


def test_the_arguments_stand_in_hopsworks_order() -> None:
    assert places(serving.create_or_update) == [
        "serving_name",
        "model_path",
        "model_version",
        "artifact_version",
        "transformer",
        "model_server",
        "kfserving",
        "batching_enabled",
        "topic_name",
        "num_partitions",
        "num_replicas",
        "inference_logging",
        "instances",
        "transformer_instances",
        "predictor_resource_config",
    ]
    assert places(model.export) == [
        "model_path",
        "model_name",
        "model_version",
        "overwrite",
        "metrics",
        "description",
        "synchronous",
        "synchronous_timeout",
        "project",
    ]


def places(function: Callable[..., Any]) -> list[str]:
    """The parameters that may be given by their place."""
    by_place = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = inspect.signature(function).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind == by_place]


def test_hopsworks_arguments_become_the_platforms_settings(connected: Client, scripted: Scripted) -> None:
    scripted.then(says(200, SERVING))  # it exists, so what the arguments cannot say is kept
    scripted.then(says(200, SERVING))
    serving.create_or_update(
        "iris",
        "/Projects/demo/Models/iris/1/predictor.py",
        1,
        "MODEL-ONLY",
        model_server="FLASK",
        batching_enabled=True,
        topic_name=None,
        num_partitions=3,
        num_replicas=2,
        inference_logging=None,
        instances=4,
        predictor_resource_config={"memory": 2048, "cores": 2, "gpus": 1},
    )
    assert scripted.calls == [f"GET {PATH}", f"PATCH {PATH}"]
    assert scripted.requests[1].json == {
        "script": SCRIPT,
        "model": "iris",
        "model_version": 1,
        "artifact_version": "MODEL-ONLY",
        "transformer": "",
        "batching": {"mode": "on"},
        "topic": "NONE",
        "topic_partitions": 3,
        "topic_replication": 2,
        "inference_logging": "NONE",
        "replicas": 4,
        "resources": {"memory_mb": 2048, "cores": 2, "gpus": 1},
    }


@pytest.mark.parametrize(("said", "mode"), [({}, "auto"), ({"batching_enabled": False}, "off")])
def test_batching_is_the_platforms_choice_unless_hopsworks_argument_says_it(
    connected: Client, scripted: Scripted, said: dict[str, bool], mode: str
) -> None:
    scripted.then(refuses(404, "not_found", "no"), says(201, SERVING))
    serving.create_or_update("iris", SCRIPT, **said)  # type: ignore[arg-type]
    assert scripted.requests[1].json["batching"] == {"mode": mode}


def test_batching_modes_and_concurrency_are_checked_before_they_are_sent(
    client: Client, scripted: Scripted
) -> None:
    with pytest.raises(ValueError, match="mode of batching is one of auto, on, off, not 'yes'"):
        client.servings.update("iris", batching={"mode": "yes"})  # type: ignore[typeddict-item]
    with pytest.raises(ValueError, match="max_concurrency is a whole number from 1"):
        client.servings.update("iris", max_concurrency=0)
    assert scripted.requests == []


def test_infer_is_asked_in_v2_and_explain_in_v1(client: Client, scripted: Scripted) -> None:
    scripted.then(says(200, {"outputs": []}), says(200, {"explanations": []}))
    client.servings.predict("iris", {"inputs": []}, "infer")
    client.servings.predict("iris", {"instances": []}, ":explain")
    assert scripted.calls == [
        "POST /inference/demo/iris/v2/models/iris/infer",
        "POST /inference/demo/iris/v1/models/iris:explain",
    ]


def test_a_script_outside_the_models_leaves_the_model_to_be_said(client: Client, scripted: Scripted) -> None:
    scripted.then(says(201, SERVING))
    client.servings.create("iris", "Resources/predictor.py", model="iris", model_version=2)
    assert scripted.requests[0].json == {
        "name": "iris",
        "script": "Resources/predictor.py",
        "model": "iris",
        "model_version": 2,
    }


def test_an_update_sends_what_changes_and_the_revision_it_was_made_from(
    client: Client, scripted: Scripted
) -> None:
    scripted.then(says(200, SERVING))
    client.servings.update("iris", expected_revision=3, replicas=2)
    assert scripted.calls == [f"PATCH {PATH}"]
    assert scripted.requests[0].json == {"replicas": 2, "expected_revision": 3}


def test_every_reader_reads_the_serving(connected: Client, scripted: Scripted) -> None:
    scripted.on("GET", PATH, says(200, SERVING))
    scripted.on("GET", "/api/projects/demo/servings/", page(SERVING))
    assert serving.exists("iris")
    assert [each.name for each in serving.get_all()] == ["iris"]
    assert serving.get_id("iris") == 5
    assert serving.get_status("iris") == "Running"
    assert serving.get_model_path("iris") == SCRIPT
    assert serving.get_model_version("iris") == 1
    assert serving.get_artifact_version("iris") == "MODEL-ONLY"
    assert serving.get_transformer("iris") is None
    assert serving.get_model_server("iris") == "FLASK"
    assert serving.get_serving_tool("iris") == "DEFAULT"
    assert serving.get_available_instances("iris") == 1
    assert serving.get_kafka_topic("iris") == "iris-inf1234"
    assert serving.get_predictor_resource_config("iris") == {"memory": 1024, "cores": 1.0, "gpus": 0}
    assert "status:      Running (1 of 2 replicas ready)" in serving.describe("iris")


def test_a_serving_that_is_not_there_does_not_exist(connected: Client, scripted: Scripted) -> None:
    scripted.then(refuses(404, "not_found", "There is no serving iris."))
    assert not serving.exists("iris")


def test_start_returns_when_the_newest_revision_answers(connected: Client, scripted: Scripted) -> None:
    scripted.then(says(200, {**SERVING, "status": "Stopped"}))
    scripted.then(says(200, {**SERVING, "status": "Starting"}))
    scripted.then(says(200, SERVING), page({**READY, "revision": 2}))
    scripted.then(says(200, SERVING), page({**READY, "state": "Starting"}, ENDED, READY))
    scripted.then(says(200, SERVING), page(READY))
    assert serving.start("iris").status == "Running"
    looks = [f"GET {PATH}", f"GET {PATH}replicas/"]
    assert scripted.calls == [f"POST {PATH}start/", f"GET {PATH}", *looks * 3]


def test_an_idle_serving_needs_no_replica(connected: Client, scripted: Scripted) -> None:
    scripted.then(says(200, SERVING), says(200, {**SERVING, "status": "Idle"}), page())
    assert serving.start("iris").status == "Idle"


def test_start_need_not_wait(connected: Client, scripted: Scripted) -> None:
    scripted.then(says(200, {**SERVING, "status": "Starting"}))
    assert serving.start("iris", wait=False).status == "Starting"


def test_stop_and_delete_act_on_the_named_serving(connected: Client, scripted: Scripted) -> None:
    scripted.then(says(200, {**SERVING, "status": "Stopping"}), says_raw(204, b""))
    assert serving.stop("iris").status == "Stopping"
    serving.delete("iris")
    assert scripted.calls == [f"POST {PATH}stop/", f"DELETE {PATH}"]


def test_logs_come_by_replica(connected: Client, scripted: Scripted) -> None:
    scripted.then(says(200, {"replicas": [{"name": "r1", "content": "hello\n"}]}))
    (log,) = serving.get_logs("iris", search="hel lo", tail=5)
    assert (log.name, log.content) == ("r1", "hello\n")
    assert scripted.calls == [f"GET {PATH}logs/?search=hel+lo&tail=5"]


@pytest.mark.parametrize("data", [{"instances": [[1, 2]]}, [[1, 2]], {"inputs": "as it is"}])
def test_a_prediction_sends_the_data_as_it_is(connected: Client, scripted: Scripted, data: Any) -> None:
    scripted.then(says(200, {"predictions": [0]}))
    assert serving.make_inference_request("iris", data) == {"predictions": [0]}
    assert scripted.calls == ["POST /inference/demo/iris/v1/models/iris:predict"]
    assert scripted.requests[0].json == data


def test_arrays_are_sent_as_lists(connected: Client, scripted: Scripted) -> None:
    numpy = pytest.importorskip("numpy")
    scripted.then(says(200, {"predictions": [0]}))
    data = {"instances": numpy.array([[1.5, 2.0]]), "scale": numpy.float32(0.5)}
    serving.make_inference_request("iris", data, ":classify")
    assert scripted.requests[0].json == {"instances": [[1.5, 2.0]], "scale": 0.5}


@pytest.mark.parametrize("data", [{"instances": [float("nan")]}, {"instances": {1, 2}}])
def test_what_json_cannot_hold_is_refused(connected: Client, scripted: Scripted, data: Any) -> None:
    with pytest.raises(ValueError, match="cannot be sent as JSON"):
        serving.make_inference_request("iris", data)
    assert scripted.requests == []


def test_a_verb_there_is_not_is_refused(connected: Client) -> None:
    with pytest.raises(ValueError, match="predict, classify, regress"):
        serving.make_inference_request("iris", {}, ":explode")


def test_a_prediction_that_answers_html_is_no_json_traceback(connected: Client, scripted: Scripted) -> None:
    scripted.then(says_raw(200, b"<p>Hello</p>"))
    with pytest.raises(ServerError, match="Hello"):
        serving.make_inference_request("iris", {})


def test_the_best_model_is_asked_for_by_metric_and_direction(connected: Client, scripted: Scripted) -> None:
    scripted.then(says(200, VERSION), says(200, VERSION))
    model.get_best_model("iris", "accuracy", model.Metric.MAX)
    model.get_best_model("iris", "loss", model.Metric.MIN)
    assert [call.partition("?")[2] for call in scripted.calls] == [
        "metric=accuracy&direction=max",
        "metric=loss&direction=min",
    ]
    with pytest.raises(ValueError, match=r"Metric\.MAX or Metric\.MIN"):
        model.get_best_model("iris", "accuracy", "UP")


def test_another_project_is_reached_over_the_same_connection(connected: Client, scripted: Scripted) -> None:
    scripted.then(says(200, VERSION))
    model.get_model("iris", 1, project="other")
    assert scripted.calls == ["GET /api/projects/other/models/iris/versions/1/"]
    assert connected.project == "demo"


def test_the_functions_find_their_platform_in_the_environment(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"URL": scripted.url, "API_KEY": "hop_env", "PROJECT": "demo"}.items():
        monkeypatch.setenv(f"HOPYARD_{name}", value)
    scripted.then(page())
    assert serving.get_all() == []
    assert scripted.requests[0].headers["Authorization"] == "ApiKey hop_env"
