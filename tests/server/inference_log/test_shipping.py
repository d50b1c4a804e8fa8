"""The shipper delivers records to the topic's folder, and survives what they hold."""

import hashlib
import json
import marshal
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from hopyard.server.inference_log import frames
from hopyard.server.inference_log.shipping.intake import BAD_SETTINGS, LENGTH, Intake
from hopyard.server.inference_log.shipping.orders import Orders
from hopyard.server.inference_log.shipping.preparing import Preparing

from ..process import eventually
from .shipper import TOPIC, decoded, messages, record, request_ids

IDENTITY = {
    "serving_id": 7,
    "model_name": "iris",
    "model_version": "2",
    "project": "demo",
    "revision": "4",
    "registered_model": "iris-model",
    "artifact_version": "1",
    "sampling_percent": 50.0,
}


def test_records_arrive_in_the_topics_folder_with_the_replicas_identity(ship, tmp_path):
    shipper = ship(topic_dir=str(tmp_path / "topics"), **IDENTITY)
    assert shipper.send([record(1), record(2, error="ValueError: no", status=500, outputs=b"")]) == 1
    eventually(lambda: shipper.took == [1])
    first, second = map(decoded, messages(tmp_path))
    assert first == {
        "modelId": 7,
        "modelName": "iris",
        "modelVersion": 2,
        "modelServer": "PYTHON",
        "servingTool": "DEFAULT",
        "project": "demo",
        "revision": 4,
        "replica": "r1",
        "model": "iris-model",
        "artifactVersion": "1",
        "loggingMode": "ALL",
        "samplingPercent": 50.0,
        "requestTimestamp": 1_760_000_000_123,
        "requestMicros": 456,
        "responseHttpCode": 200,
        "requestId": "call-1",
        "protocol": "v1",
        "verb": "predict",
        "seconds": 0.25,
        "queueSeconds": 0.125,
        "preprocessSeconds": -1.0,
        "predictSeconds": 0.0625,
        "postprocessSeconds": -1.0,
        "inferenceRequest": '{"instances": [1]}',
        "requestBytes": 18,
        "requestSha256": "",
        "inferenceResponse": '{"predictions": [1]}',
        "responseBytes": 20,
        "responseSha256": "",
        "error": "",
        "keyId": "k1",
    }
    assert (second["responseHttpCode"], second["inferenceResponse"], second["error"]) == (
        500,
        "",
        "ValueError: no",
    )
    assert shipper.end() == 0
    assert shipper.counts == {"sent": 2, "spilled": 0, "dropped": 0, "waiting": 0}
    assert shipper.log == ""


@pytest.mark.parametrize("version", [1, 2, 3])
def test_records_are_written_in_the_version_of_the_topic(ship, tmp_path, version):
    shipper = ship(topic_dir=str(tmp_path / "topics"), topic_schema=version, **IDENTITY)
    shipper.send([record(1, inputs=(70_000, "ab" * 32))])
    eventually(lambda: shipper.took)
    found = decoded(messages(tmp_path)[0], version)
    assert (found["modelId"], found["modelName"], found["modelVersion"]) == (7, "iris", 2)
    assert found["inferenceRequest"] == '{"size": 70000, "sha256": "%s"}' % ("ab" * 32)
    assert found["inferenceResponse"] == '{"predictions": [1]}'


def test_messages_that_are_encoded_already_pass_as_they_are(ship, tmp_path):
    shipper = ship(topic_dir=str(tmp_path / "topics"), topic_subject="mlrunrecord")
    shipper.send([(b'{"request": 1}',), record(1), (b"\xff",)])
    eventually(lambda: shipper.took)
    assert messages(tmp_path) == [b'{"request": 1}', b"\xff"]


def test_what_is_hashed_cannot_be_guessed_without_the_salt(ship, tmp_path):
    rules = [{"field": "name", "action": "hash"}]
    secret = {"project": "garden", "model_name": "iris", "redaction_salt": "c0ffee"}
    shipper = ship(topic_dir=str(tmp_path / "topics"), redaction=rules, **secret)
    shipper.send([record(1, b'{"name": "Alice"}')])
    assert shipper.end() == 0
    (value,) = messages(tmp_path)
    expected = hashlib.sha256(b"c0ffeeAlice").hexdigest()[:16]
    assert json.loads(decoded(value)["inferenceRequest"]) == {"name": expected}
    assert "c0ffee" not in shipper.log


def test_rules_of_redaction_are_applied_before_anything_is_written(ship, tmp_path):
    rules = [{"field": "name", "in": "inputs", "action": "mask"}]
    shipper = ship(topic_dir=str(tmp_path / "topics"), redaction=rules, redaction_salt="pepper")
    shipper.send(
        [record(1, inputs=b'{"instances": [{"name": "Alice", "age": 4}]}'), record(2, inputs=b"Alice\xff")]
    )
    eventually(lambda: shipper.took)
    first, second = map(decoded, messages(tmp_path))
    assert '"age":4' in first["inferenceRequest"]
    plain = hashlib.sha256(b"Alice\xff").hexdigest()
    assert second["requestSha256"] == hashlib.sha256(b"pepper" + plain.encode()).hexdigest()
    assert not any(b"Alice" in value for value in messages(tmp_path))


def test_records_that_hold_what_nobody_expects_spoil_no_others(ship, tmp_path):
    shipper = ship(topic_dir=str(tmp_path / "topics"), **IDENTITY)
    odd = [
        record(1, request_id=b"\xff\0\xed\xa0\x80"),
        record(2, verb="\ud800", protocol="\udcff", error="\0\ud800", key_id="\0"),
        record(3, inputs=b"\xff\0", outputs=b"\xed\xa0\x80"),
        record(4, requested_at=float("nan")),
        record(5, status=2**70),
        record(6, seconds="long"),
        record(7, inputs=b"[" * 60_000),
        record(8, inputs=frames.MAGIC * 9),
        (),
        (1, 2, 3),
        None,
        record(9),
    ]
    shipper.send(odd)
    eventually(lambda: shipper.took)
    found = [decoded(value) for value in messages(tmp_path)]
    assert [one["requestId"] for one in found][2:] == ["call-3", "call-7", "call-8", "call-9"]
    assert (len(found), found[1]["error"]) == (6, "\ufffd?")
    shipper.settled(sent=6, dropped=6)
    (line,) = shipper.lines
    assert "cannot be written as an inference record and is dropped" in line


def test_without_a_topic_nothing_is_written_anywhere(ship, tmp_path):
    shipper = ship(topic="", topic_dir=str(tmp_path / "topics"), spill_dir=str(tmp_path / "spill"))
    shipper.send([record(1), (b"{}",)])
    eventually(lambda: shipper.took == [1])
    assert shipper.end() == 0
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_rules_that_nobody_can_read_keep_everything_from_leaving(ship, tmp_path):
    shipper = ship(topic_dir=str(tmp_path / "topics"), redaction=[{"field": "name", "action": "burn"}])
    assert shipper.process.wait(20) == BAD_SETTINGS
    (line,) = shipper.lines
    assert line.startswith("ERROR Inference records cannot be shipped with these settings: ")
    assert not (tmp_path / "topics").exists()


def test_what_has_come_already_is_not_waited_for():
    """A server that starts its shipper again sends its settings and all batches at once."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for message in ("settings", "batch"):
            data = marshal.dumps(message)
            ours.sendall(LENGTH.pack(len(data)) + data)
        intake = Intake(theirs)
        assert next(iter(intake.read(20))) == "settings"
        began = time.monotonic()
        assert list(intake.read(20)) == ["batch"]
        assert time.monotonic() - began < 10


def test_events_that_cannot_be_made_cost_no_record(caplog):
    def tell(told):
        raise RuntimeError("no pair")

    orders = Orders(writer="r1", topic=TOPIC, topic_dir=Path("topics"))
    preparing = Preparing(orders, for_platform=False, tell=tell)
    assert request_ids(preparing.values([record(1), record(2)])) == ["call-1", "call-2"]
    assert preparing.dropped == 0
    assert caplog.text.count("CloudEvents of a call cannot be made") == 1


def test_each_process_writes_a_file_of_its_own(ship, tmp_path):
    for number in range(2):
        shipper = ship(topic_dir=str(tmp_path / "topics"))
        shipper.send([record(number)])
        assert shipper.end() == 0
    assert sorted(path.name for path in (tmp_path / "topics" / TOPIC).iterdir()) == [
        "r1-0.000001.log",
        "r1-0.000002.log",
    ]


def test_a_file_that_retention_removed_is_not_written_to_any_more(ship, tmp_path):
    shipper = ship(topic_dir=str(tmp_path / "topics"))
    folder = tmp_path / "topics" / TOPIC
    shipper.send([record(1)])
    eventually(lambda: shipper.took == [1])
    (folder / "r1-0.000001.log").rename(folder / "r0.000001.log")
    shipper.send([record(2)])
    eventually(lambda: shipper.took == [1, 2])
    assert request_ids(messages(tmp_path)) == ["call-1", "call-2"]
    assert len(list(folder.iterdir())) == 2


def test_signals_for_a_terminals_programs_do_not_end_it(ship, tmp_path):
    shipper = ship(topic_dir=str(tmp_path / "topics"))
    shipper.send([record(1)])
    eventually(lambda: shipper.took == [1])
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(shipper.process.pid, number)
    shipper.send([record(2)])
    eventually(lambda: shipper.took == [1, 2])
    assert shipper.end() == 0
    assert request_ids(messages(tmp_path)) == ["call-1", "call-2"]
