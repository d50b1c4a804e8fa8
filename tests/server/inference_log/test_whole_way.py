"""From a call to what arrives: a real server and its real shipper, with rules, events and MLRun's records."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from hopyard.server.inference_log import frames
from tests.server.process import ServerProcess
from tests.server.topics import shippers
from tests.waiting import eventually

from .collector import Collector

DOUBLE = """
from mlrun.serving import V2ModelServer

class Double(V2ModelServer):
    def load(self):
        pass

    def predict(self, request):
        return [1 / each["x"] for each in request["inputs"]]
"""
ECHO = """
class Predict:
    def predict(self, inputs):
        if inputs == ["fail"]:
            raise ValueError("it was fail")
        return inputs
"""
MLRUN = {"TOPIC": "iris-inf1234", "TOPIC_SUBJECT": "mlrunrecord", "PROJECT": "garden", "REPLICA": "iris-1"}
RULES = json.dumps([{"field": "ssn", "action": "remove"}, {"pattern": "fail"}])


def messages(folder: Path) -> list[bytes]:
    """Everything in the topic's folder, file by file."""
    data = [path.read_bytes() for path in sorted((folder / "iris-inf1234").glob("*.log"))]
    return [value for each in data for value in frames.read(each, 1_000_000).values]


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(each) for each in messages(folder)]


def infer(server: ServerProcess, x: float) -> int:
    path = "/v2/models/iris/infer"
    return server.post(path, json={"inputs": [{"x": x, "ssn": "987-65"}]}).status_code


@pytest.fixture
def collector():
    found = Collector()
    yield found
    found.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_v2_model_servers_records_go_to_the_topic_in_mlruns_layout(serve, tmp_path, workers):
    example = tmp_path / "example.json"
    example.write_text('{"inputs": [{"x": 1}]}')
    server = serve(DOUBLE, TOPIC_DIR=tmp_path, WORKERS=workers, INPUT_EXAMPLE=example, **MLRUN).ready()
    assert infer(server, 2.0) == 200
    assert infer(server, 0.0) == 400
    good, bad = sorted(
        eventually(lambda: len(records(tmp_path)) == 2 and records(tmp_path)), key=len, reverse=True
    )
    assert (good["model"], good["function_uri"], good["host"]) == ("iris", "garden/iris", "iris-1")
    assert (good["request"]["inputs"], good["resp"]["outputs"]) == ([{"x": 2.0, "ssn": "987-65"}], [0.5])
    assert bad["error"] == "float division by zero"


def test_rules_are_applied_to_mlruns_records_before_they_leave(serve, tmp_path):
    args = json.dumps({"log_stream_batch": 10})
    server = serve(DOUBLE, TOPIC_DIR=tmp_path, REDACTION=RULES, CLASS_ARGS=args, **MLRUN).ready()
    for _ in range(3):
        assert infer(server, 2.0) == 200
    server.process.send_signal(signal.SIGTERM)  # what waits for a full batch comes at the end
    assert server.process.wait(20) == 0
    (record,) = eventually(lambda: records(tmp_path))
    assert [row[0]["inputs"] for row in record["values"]] == [[{"x": 2.0}]] * 3
    assert b"987-65" not in b"".join(messages(tmp_path))


def test_the_topic_of_another_style_is_left_empty_and_the_log_says_why(serve, tmp_path):
    server = serve(ECHO, TOPIC_DIR=tmp_path, **MLRUN).ready()
    assert server.predict(1).status_code == 200
    assert "choose the other format of records" in server.log


def test_calls_are_told_to_a_collector_as_redacted_events(serve, collector):
    server = serve(ECHO, EVENTS_URL=collector.url, PROJECT="garden", REDACTION=RULES).ready()
    assert server.predict({"ssn": 987, "x": 1}, headers={"Ce-Id": "mine"}).status_code == 200
    assert server.predict("fail").status_code == 500
    eventually(lambda: len(collector.events) == 4)
    told = {(headers["ce-id"] == "mine", headers["ce-type"].rpartition(".")[2]): (headers, body)
            for headers, body in collector.events}  # fmt: skip
    headers, asked = told[True, "request"]
    assert (asked, headers["ce-namespace"], headers["ce-inferenceservicename"]) == (
        b'{"instances":[{"x":1}]}',
        "garden",
        "iris",
    )
    assert told[True, "response"][1] == b'{"predictions":[{"x":1}]}'
    headers, failed = told[False, "response"]
    assert headers["ce-status"] == "500"
    assert b"fail" not in failed
    assert b"ValueError: not kept" in failed


def test_events_that_no_collector_takes_are_counted_beside_the_records(serve, collector, tmp_path):
    collector.answer = lambda self, request: 404
    server = serve(ECHO, EVENTS_URL=collector.url, TOPIC="iris-inf1234", TOPIC_DIR=tmp_path).ready()
    assert server.metric("hopyard_inference_log_events_dropped_total") == 0
    for number in range(3):
        assert server.predict(number).status_code == 200
    eventually(lambda: server.metric("hopyard_inference_log_events_dropped_total") == 6)
    assert server.metric("hopyard_inference_log_dropped_total") == 0
    assert "events" not in server.get("/v2/health/ready").json()["inference_log"]
    for shipper in shippers(server):
        os.kill(shipper, signal.SIGKILL)
    eventually(lambda: "it is started again" in server.log)
    assert server.predict(3).status_code == 200
    eventually(lambda: server.metric("hopyard_inference_log_events_dropped_total") == 8)


def test_a_collector_that_hangs_holds_up_neither_calls_nor_the_topic(serve, collector, tmp_path):
    collector.answer = lambda self, request: 202 if self.released.wait(60) else None
    server = serve(ECHO, EVENTS_URL=collector.url, TOPIC="iris-inf1234", TOPIC_DIR=tmp_path).ready()
    for number in range(50):
        assert server.predict(number).status_code == 200
    eventually(lambda: len(messages(tmp_path)) == 50)
    assert collector.events == []
