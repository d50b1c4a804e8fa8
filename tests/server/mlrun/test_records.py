"""MLRun's records of calls: the layouts that its stream consumers know, sent to the serving's topic."""

import json
from datetime import datetime
from typing import Any

import pytest
from mlrun.serving import MockEvent, V2ModelServer

from hopyard.server.flavors.mlrun import assembly, plan, recording
from hopyard.server.inference_log import mlrun as topic
from hopyard.server.inference_log.bodies import MOST_BYTES
from hopyard.server.inference_log.mlrun import Messages
from tests.server.mlrun.recorded import WHEN, Double, Served


def test_a_single_record_has_mlruns_layout():
    served = Served()
    served.ask([1, 2])
    (record,) = served.records
    assert list(record) == [
        "class",
        "worker",
        "model",
        "version",
        "host",
        "function_uri",
        "request",
        "op",
        "resp",
        "when",
        "microsec",
    ]
    when, microsec, resp = record.pop("when"), record.pop("microsec"), record.pop("resp")
    assert record == {
        "class": "Double",
        "worker": 0,
        "model": "m",
        "version": "v1",
        "host": "iris-1",
        "function_uri": "garden/iris",
        "request": {"inputs": [1, 2]},
        "op": "infer",
    }
    assert WHEN.fullmatch(when)
    assert 0 <= microsec < 10_000_000
    assert (resp["id"], resp["outputs"], resp["model_version"]) == ("e", [1.0, 0.5], "v1")


def test_a_long_call_is_told_in_full(monkeypatch):
    now = datetime.fromisoformat("2024-01-01 00:00:03.251423+00:00")

    class Clock(datetime):
        @classmethod
        def now(cls, zone=None):
            return now

    monkeypatch.setattr(recording, "datetime", Clock)
    served = Served()
    served.model._model_logger.push(
        datetime.fromisoformat("2024-01-01 00:00:02.000000+00:00"), {}, {}, "infer"
    )
    assert served.records[0]["microsec"] == 1_251_423
    assert served.records[0]["when"] == "2024-01-01 00:00:02.000000+00:00"


def test_labels_and_metrics_are_there_once_there_are_some():
    served = Served()
    served.model.labels = {"team": "a"}
    served.model.set_metric("drift", 0.5)
    served.ask()
    assert (served.records[0]["labels"], served.records[0]["metrics"]) == ({"team": "a"}, {"drift": 0.5})


def test_only_predictions_and_explanations_are_recorded():
    served = Served()
    served.ask(op="hello")
    served.model.do_event(MockEvent(method="GET", path="ready"))
    served.model.do_event(MockEvent(method="GET", path=""))
    with pytest.raises(Exception, match="inputs"):
        served.model.do_event(MockEvent({"rows": []}, path="infer"))
    assert served.taken == []
    served.ask(op="explain")
    served.ask(op="predict")
    assert [record["op"] for record in served.records] == ["explain", "predict"]


def test_an_error_is_recorded_at_once_whatever_the_sample_and_the_batch_are():
    served = Served(parameters={"log_stream_sample": 5, "log_stream_batch": 5})
    with pytest.raises(ZeroDivisionError):
        served.ask([0])
    (record,) = served.records
    assert record.keys() == {
        "class", "worker", "model", "version", "host", "function_uri", "request", "op", "when", "error",
    }  # fmt: skip
    assert record["error"] == "division by zero"
    assert record["request"] == {"inputs": [0], "id": "e"}


def test_an_error_has_its_traceback_where_the_context_is_verbose():
    served = Served()
    served.model.context.verbose = True
    with pytest.raises(ZeroDivisionError):
        served.ask([0])
    said = served.records[0]["error"]
    assert said.startswith("division by zero\nTraceback")
    assert "ZeroDivisionError" in said


@pytest.mark.parametrize(
    ("logged", "asked", "answered"),
    [
        ((["in"], ["out"]), ["in"], ["out"]),
        ((["in"], None), ["in"], []),
        ((None, ["out"]), [], ["out"]),
    ],
)
def test_what_is_recorded_is_the_models_choice(logged, asked, answered):
    class Chosen(Double):
        def logged_results(self, request, response, op):
            return logged

    served = Served(Chosen)
    assert served.ask([2])["outputs"] == [0.5]
    (record,) = served.records
    assert record["request"] == {"id": "e", "inputs": asked}
    assert record["resp"] == {"outputs": answered}


def test_a_model_that_cannot_choose_still_answers(caplog):
    class Broken(Double):
        def logged_results(self, request, response, op):
            raise KeyError("x")

    served = Served(Broken)
    assert served.ask([2])["outputs"] == [0.5]
    assert served.taken == []
    assert "logged_results failed" in caplog.text


def test_arguments_of_the_class_count_as_parameters_of_the_function():
    route = plan.Route("m", Double, {"log_stream_sample": "2"})
    messages, taken = Messages(host="h", function_uri="p/s"), []
    models = assembly.models_of(plan.Plan((route,), {}), _host(messages))
    assert [model.messages for model in models] == [messages]
    topic.connect(models, taken.append)
    for number in (1, 2, 3, 4):
        event = MockEvent({"inputs": [number]}, path="infer")
        models[0].operations["infer"].operation.run(event)
    assert [json.loads(each)["request"]["inputs"] for each in taken] == [[2], [4]]


def test_an_ensemble_is_recorded_beside_each_of_its_models():
    messages, taken = Messages(host="h", function_uri="p/s"), []
    routes = tuple(plan.Route(key, Double) for key in ("a", "b:v2"))
    router = plan.Route("votes", "VotingEnsemble", {"vote_type": "regression"})
    models = assembly.models_of(plan.Plan(routes, {}, router=router), _host(messages))
    topic.connect(models, taken.append)
    models[0].operations["infer"].operation.run(MockEvent({"inputs": [2]}, path="infer", event_id="e"))
    records = {record["model"]: record for record in map(json.loads, taken)}
    assert records.keys() == {"a", "b", "votes"}
    assert {key: record["op"] for key, record in records.items()} == {
        "a": "infer",
        "b": "infer",
        "votes": None,
    }
    votes = records["votes"]
    assert (votes["class"], votes["version"], votes["request"]) == (
        "VotingEnsemble",
        "v1",
        {"id": "e", "inputs": [2]},
    )
    assert votes["resp"]["outputs"] == [0.5]


class OfMLRun(V2ModelServer):
    """Asks its logger as the classes of an installed MLRun do, which make it when a request's body tells them to."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.initialized, self._model_logger = False, None

    def load(self):
        pass

    def do_event(self, event, *args, **kwargs):
        if not self.initialized and event.body.get("background_task_state") == "succeeded":
            self._model_logger = None
        start, request = recording.datetime.now(recording.UTC), event.body
        if request["inputs"] == [0]:
            self._model_logger.push(start, request, op="infer", error=ValueError("no"), partition_key="uid")
            raise ValueError("no")
        self._model_logger.push(start, request, {"outputs": [1]}, "infer", partition_key="uid")
        return event


def test_classes_of_an_installed_mlrun_are_recorded_too():
    messages, taken = Messages(host="h", function_uri="p/s"), []
    (model,) = assembly.models_of(plan.Plan((plan.Route("m", OfMLRun),), {}), _host(messages))
    topic.connect([model], taken.append)
    run = model.operations["infer"].operation.run
    run(MockEvent({"inputs": [1], "background_task_state": "succeeded"}, path="infer"))
    with pytest.raises(ValueError, match="no"):
        run(MockEvent({"inputs": [0]}, path="infer"))
    good, bad = map(json.loads, taken)
    assert (good["resp"], bad["error"]) == ({"outputs": [1]}, "no")


def test_nothing_is_recorded_before_the_server_serves():
    served = Served(connected=False)
    served.ask()
    with pytest.raises(ZeroDivisionError):
        served.ask([0])
    served.messages.connect(served.taken.append)
    served.ask([5])
    assert [record["request"]["inputs"] for record in served.records] == [[5]]


@pytest.mark.parametrize(
    ("mode", "asked", "answered"), [("MODEL_INPUTS", True, False), ("PREDICTIONS", False, True)]
)
def test_the_mode_says_which_bodies_are_recorded(mode, asked, answered):
    served = Served(mode=mode)
    served.ask()
    (record,) = served.records
    assert (record["request"] is not None, record["resp"] is not None) == (asked, answered)


def test_a_large_request_is_recorded_by_size_and_digest():
    served = Served()
    served.ask([1], note="x" * MOST_BYTES)
    (record,) = served.records
    assert record["request"].keys() == {"size", "sha256"}
    assert record["request"]["size"] > MOST_BYTES
    assert record["resp"]["outputs"] == [1.0]


def test_what_json_cannot_hold_is_told_in_words():
    class Strange(Double):
        def predict(self, request):
            return {"a": object()}

    served = Served(Strange)
    served.ask()
    assert "which JSON cannot hold" in served.records[0]["resp"]


def test_arrays_are_recorded_as_lists():
    numpy = pytest.importorskip("numpy")

    class Arrays(Double):
        def predict(self, request):
            return numpy.array([[1.5]])

    served = Served(Arrays)
    served.ask()
    assert served.records[0]["resp"]["outputs"] == [[1.5]]


def test_what_a_model_changes_later_is_recorded_as_it_was():
    class Reusing(Double):
        kept: Any = None

        def predict(self, request):
            if self.kept is not None:
                self.kept["inputs"] = ["changed"]
            Reusing.kept = request
            return []

    served = Served(Reusing, {"log_stream_batch": 2})
    served.ask([1])
    served.ask([2])
    assert [row[0]["inputs"] for row in served.records[0]["values"]] == [[1], [2]]


def test_a_script_of_another_style_is_told_that_nothing_is_recorded(caplog):
    topic.connect([], lambda data: None)
    assert "choose the other format of records" in caplog.text


def _host(messages: Messages) -> Any:
    from hopyard.server.flavors import Host

    async def in_thread(call):
        return call()

    return Host(
        name="iris",
        version="",
        files_dir=None,
        in_thread=in_thread,
        observe=lambda *seen: None,
        hand_over=lambda models: None,
        messages=messages,
    )
