"""Calls are recorded as JSON lines, and recording never changes an answer."""

import hashlib
import json

import pytest

from hopyard.server import inference_log
from hopyard.server.inference_log import DirectorySink, InferenceLog, Origin, Record

from .process import eventually

IDENTITY = {
    "TOPIC": "iris-inf",
    "PROJECT": "demo",
    "REVISION": "4",
    "REPLICA": "r1",
    "MODEL_VERSION": "2",
}


def records(directory, replica="r1"):
    path = directory / "iris-inf" / f"{replica}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def topics(tmp_path):
    return tmp_path / "topics"


def test_a_call_is_recorded_with_its_identity_and_bodies(serve, topics):
    server = serve(TOPIC_DIR=topics, **IDENTITY).ready()
    server.predict(1, headers={"X-Request-Id": "call-1"})
    (record,) = eventually(lambda: records(topics))
    assert record.pop("duration_us") > 0
    assert 1_700_000_000_000 < record.pop("requested_at") < 10_000_000_000_000
    assert record == {
        "request_id": "call-1",
        "project": "demo",
        "serving": "iris",
        "revision": "4",
        "replica": "r1",
        "model_version": "2",
        "verb": "predict",
        "status": 200,
        "inputs": '{"instances":[1]}',
        "outputs": '{"predictions":[1]}',
        "error": None,
        "key_id": None,
    }


def test_calls_that_fail_are_recorded_with_their_error(serve, topics):
    script = "class Predict:\n    def predict(self, inputs):\n        raise ValueError('no')\n"
    server = serve(script, TOPIC_DIR=topics, **IDENTITY).ready()
    server.predict(1)
    server.post("/v1/models/iris:predict", content=b"{\xff")
    found = eventually(lambda: len(records(topics)) == 2 and records(topics))
    assert [(r["status"], r["outputs"]) for r in found] == [(500, None), (400, None)]
    assert found[0]["error"] == "ValueError: no"
    assert found[1]["inputs"] == "{\ufffd"


@pytest.mark.parametrize(
    ("mode", "inputs", "outputs"),
    [("MODEL_INPUTS", True, False), ("PREDICTIONS", False, True), ("ALL", True, True)],
)
def test_the_mode_chooses_what_is_kept(serve, topics, mode, inputs, outputs):
    server = serve(TOPIC_DIR=topics, INFERENCE_LOGGING=mode, **IDENTITY).ready()
    server.predict(1)
    (record,) = eventually(lambda: records(topics))
    assert (record["inputs"] is not None, record["outputs"] is not None) == (inputs, outputs)


def test_nothing_is_recorded_without_a_topic_or_with_mode_none(serve, topics):
    for settings in ({"TOPIC": ""}, {"INFERENCE_LOGGING": "NONE"}):
        server = serve(**{"TOPIC_DIR": topics, **IDENTITY, **settings}).ready()
        server.predict(1)
        assert server.terminate() == 0
    assert not topics.exists()


def test_a_large_body_is_recorded_by_its_digest(serve, topics):
    server = serve(TOPIC_DIR=topics, **IDENTITY).ready()
    body = b'{"inputs": ["' + b"x" * 70_000 + b'"]}'
    server.post("/v1/models/iris:predict", content=body)
    (record,) = eventually(lambda: records(topics))
    assert record["inputs"] == {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def test_a_directory_that_cannot_be_written_changes_no_answer(serve, tmp_path):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a directory should be")
    server = serve(TOPIC_DIR=blocked, **IDENTITY).ready()
    assert [server.predict(n).status_code for n in range(5)] == [200] * 5
    eventually(lambda: server.metric("hopyard_inference_log_dropped_total") == 5)
    assert "Inference records cannot be written" in server.log
    blocked.unlink()
    server.predict(9)
    eventually(lambda: server.metric("hopyard_inference_log_written_total") == 1)
    assert len(records(blocked)) == 1


def test_stopping_flushes_what_is_queued(serve, topics):
    server = serve(TOPIC_DIR=topics, **IDENTITY).ready()
    for n in range(50):
        server.predict(n)
    assert server.terminate() == 0
    assert len(records(topics)) == 50


def test_odd_text_in_a_record_is_written_with_the_records_around_it(topics):
    log = InferenceLog(
        DirectorySink(topics, "iris-inf", "r1"), Origin("p\ud800", "s", "1", "r", "1"), mode="ALL"
    )
    for text in ("plain", "\ud800", "\udcff\0", "caf\xe9"):
        log.put(Record(text, "predict", 500, 0, 0, b"\xff", b"\xed\xa0\x80", text, text))
    log.close(5)
    found = records(topics)
    assert (log.dropped, len(found)) == (0, 4)
    assert [record["error"] for record in found] == ["plain", "?", "?\ufffd", "caf\xe9"]
    assert {record["project"] for record in found} == {"p?"}


def test_a_torn_line_does_not_spoil_the_next(topics):
    path = topics / "t" / "r.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(b'{"half')
    DirectorySink(topics, "t", "r").append([b"{}\n"])
    assert path.read_bytes() == b'{"half\n{}\n'


def test_a_full_queue_drops_and_counts(monkeypatch, topics):
    monkeypatch.setattr(inference_log, "MAX_RECORDS", 0)
    log = InferenceLog(DirectorySink(topics, "t", "r"), Origin("p", "s", "1", "r", "1"), mode="ALL")
    log.put(Record("id", "predict", 200, 0, 0, b"", b"", None, None))
    log.close(5)
    assert (log.dropped, log.written) == (1, 0)
