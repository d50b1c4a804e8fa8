"""Inference records of replicas that reach no topic themselves."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import pytest
from django.conf import LazySettings
from django.test import Client

from hopyard.server.inference_log import encoding
from hopyard.server.inference_log.bodies import Body
from serving.models import Replica, Serving, Topic
from serving.replica_documents import records
from serving.topics import outbox, schemas
from worker.topics.directory import DirectoryBroker

RECORD = {
    "request_id": "q-1",
    "replica": "r1-0-1",
    "verb": "predict",
    "status": 200,
    "protocol": "v1",
    "requested_at": 1_790_000_000_000_123,
    "duration_us": 1200,
    "queue_us": 5,
    "preprocess_us": None,
    "predict_us": 1000,
    "postprocess_us": 0,
    "inputs": '{"instances":[1]}',
    "outputs": '{"predictions":[1]}',
    "inputs_bytes": 17,
    "outputs_bytes": 19,
    "error": None,
    "key_id": "k1",
}


def lines(*changes: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(RECORD | change).encode() + b"\n" for change in changes)


def post(client: Client, serving: Serving, body: bytes) -> Any:
    return client.post(f"/replicas/{serving.key}/records/", data=body, content_type="application/x-ndjson")


@pytest.fixture
def folder(settings: LazySettings, tmp_path: Path) -> Path:
    """Of topics' folders."""
    settings.TOPIC_DIR = tmp_path / "topics"
    return tmp_path / "topics"


def messages(folder: Path, serving: Serving) -> list[bytes]:
    """What is in the topic of a serving."""
    broker = DirectoryBroker(folder)
    return [each.value or b"" for each in broker.peek(serving.current.topic, most=100)][::-1]


def decoded(value: bytes, version: int = schemas.CURRENT) -> dict[str, Any]:
    stream = io.BytesIO(value)
    found = fastavro.schemaless_reader(stream, schemas.document(version), None)
    assert stream.tell() == len(value)
    assert isinstance(found, dict)
    return found


def test_records_are_in_the_topic_as_a_replica_that_reaches_it_writes_them(
    serving: Serving, replica: Client, folder: Path
) -> None:
    assert post(replica, serving, lines({}, {"request_id": "q-2"})).status_code == 204
    assert post(replica, serving, lines({"request_id": "q-3"})).status_code == 204
    values = messages(folder, serving)
    assert [decoded(value)["requestId"] for value in values] == ["q-1", "q-2", "q-3"]
    origin = encoding.Origin(serving.pk, "iris", 1, "garden", 1, "r1-0-1", "iris", "MODEL-ONLY", "ALL", 100.0)
    record = (1_790_000_000.000123, 200, b"q-1", "v1", "predict", 0.0012, 5e-6, -1.0, 1e-3, 0.0)
    bodies = (Body('{"instances":[1]}', 17), Body('{"predictions":[1]}', 19))
    told = encoding.Told((*record, b"", b"", None, "k1", None), *bodies, None)
    assert decoded(values[0]) == decoded(encoding.encoder(5, origin)(told))


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_topic_of_an_older_schema_gets_records_of_it(
    serving: Serving, replica: Client, folder: Path, version: int
) -> None:
    Topic.objects.filter(name=serving.current.topic).update(schema_version=version)
    digest = {"size": 70_000, "sha256": "0" * 64}
    assert post(replica, serving, lines({}, {"inputs": digest, "outputs": None})).status_code == 204
    first, second = (decoded(value, version) for value in messages(folder, serving))
    assert first["modelId"] == serving.pk
    assert first["requestTimestamp"] == 1_790_000_000_000
    assert first["inferenceRequest"] == '{"instances":[1]}'
    assert (json.loads(second["inferenceRequest"]), second["inferenceResponse"]) == (digest, "")


def test_records_of_several_replicas_are_kept_together_or_not_at_all(
    serving: Serving, replica: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Replica.objects.create(serving=serving, name="r1-1-1", revision=1, slot=1, attempt=1)
    kept: list[int] = []
    put = outbox.put

    def full_soon(topic: str, writer: str, values: list[bytes]) -> None:
        if kept:
            raise outbox.NotKept("The disk is full.")
        kept.append(len(values))
        put(topic, writer, values)

    monkeypatch.setattr(outbox, "put", full_soon)
    assert post(replica, serving, lines({}, {"replica": "r1-1-1"})).status_code == 204
    assert (kept, len(messages(folder, serving))) == ([2], 2)


def test_what_was_not_kept_or_not_measured_is_told_apart(
    serving: Serving, replica: Client, folder: Path
) -> None:
    unkept = {"inputs": {"size": 70_000, "sha256": "0" * 64}, "outputs": None, "error": "no \ud800 text"}
    unknown = {"queue_us": None, "protocol": None, "key_id": None, "inputs_bytes": None}
    assert post(replica, serving, lines(unkept | unknown)).status_code == 204
    (found,) = map(decoded, messages(folder, serving))
    assert (found["inferenceRequest"], found["requestBytes"], found["requestSha256"]) == (
        "",
        70_000,
        "0" * 64,
    )
    assert (found["inferenceResponse"], found["responseBytes"], found["responseSha256"]) == ("", 19, "")
    assert (found["queueSeconds"], found["predictSeconds"]) == (-1.0, 0.001)
    assert (found["protocol"], found["keyId"], found["error"]) == ("", "", "no ? text")


def test_whose_records_they_are_is_not_for_the_replica_to_say(
    serving: Serving, replica: Client, folder: Path
) -> None:
    claim = {
        "project": "elsewhere",
        "modelId": 77,
        "modelName": "other",
        "revision": 99,
        "modelVersion": 7,
        "samplingPercent": 1.0,
        "sampling_percent": 1.0,
    }
    assert post(replica, serving, lines(claim)).status_code == 204
    (found,) = map(decoded, messages(folder, serving))
    assert {name: found.get(name) for name in claim} == {
        "project": "garden",
        "modelId": serving.pk,
        "modelName": "iris",
        "revision": 1,
        "modelVersion": 1,
        "samplingPercent": 100.0,
        "sampling_percent": None,
    }


def message_lines(*texts: str) -> bytes:
    return b"".join(json.dumps({"replica": "r1-0-1", "message": text}).encode() + b"\n" for text in texts)


def test_messages_of_mlrun_pass_with_their_origin_made_sure(
    create: Callable[..., Serving], folder: Path
) -> None:
    mlruns = create("mlruns", record_format="mlrun")
    client = Client(headers={"authorization": f"Bearer {mlruns.gateway_token}"})
    said = {"op": "infer", "request": {"inputs": [1]}, "function_uri": "elsewhere/other", "host": "r9"}
    assert post(client, mlruns, message_lines(json.dumps(said))).status_code == 204
    (found,) = map(json.loads, messages(folder, mlruns))
    assert found == said | {"function_uri": "garden/mlruns", "host": "r1-0-1"}
    assert post(client, mlruns, message_lines(r'{"op": "\ud800"}')).status_code == 204
    assert json.loads(messages(folder, mlruns)[-1])["op"] == "?"
    for bad in ("", "[]", "{", '{"a": NaN}', "[" * 100_000):
        answer = post(client, mlruns, message_lines("{}", bad))
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_records")
        assert "Line 2" in answer.json()["error"]["message"]
    assert len(messages(folder, mlruns)) == 2
    assert "is for messages of mlrunrecord" in post(client, mlruns, lines({})).json()["error"]["message"]


def test_a_topic_that_was_deleted_takes_no_records(serving: Serving, replica: Client, folder: Path) -> None:
    Topic.objects.filter(name=serving.current.topic).update(is_deleted=True)
    answer = post(replica, serving, lines({}))
    assert answer.status_code == 400
    assert f"The topic {serving.current.topic} has been deleted" in answer.json()["error"]["message"]


def test_with_kafka_they_wait_to_be_sent_there(
    serving: Serving, replica: Client, folder: Path, settings: LazySettings, tmp_path: Path
) -> None:
    settings.KAFKA_BROKERS, settings.OUTBOX_DIR = ["kafka:9092"], tmp_path / "outbox"
    assert post(replica, serving, lines({})).status_code == 204
    assert len(messages(tmp_path / "outbox", serving)) == 1
    assert messages(folder, serving) == []


@pytest.mark.parametrize(
    "bad",
    [
        {"replica": "r9-0-1"},
        {"replica": "../../etc/passwd"},
        {"status": "200"},
        {"duration_us": -1},
        {"requested_at": 1e300},
        {"requested_at": True},
        {"inputs": ["list"]},
        {"inputs": {"size": "big", "sha256": "x"}},
        {"verb": None},
        {"request_id": 7},
        {"status": 2**31},
        {"queue_us": -5},
        {"inputs_bytes": 2**60},
        {"protocol": 1},
    ],
)
def test_a_line_that_is_no_record_keeps_all_of_them_out(
    serving: Serving, replica: Client, folder: Path, bad: dict[str, Any]
) -> None:
    answer = post(replica, serving, lines({}, bad))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_records")
    assert messages(folder, serving) == []


@pytest.mark.parametrize("body", [b"[]\n", b"{\n", b"\xff\xfe\n", b"[" * 100_000, b'{"a": NaN}'])
def test_a_body_of_rubbish_is_refused_in_words(serving: Serving, replica: Client, body: bytes) -> None:
    answer = post(replica, serving, body)
    assert answer.status_code == 400
    assert "Line 1 is no inference record" in answer.json()["error"]["message"]


def test_too_much_at_a_time_is_refused(serving: Serving, replica: Client) -> None:
    answer = post(replica, serving, b"x" * (records.MOST_BYTES + 1))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_a_revision_that_logs_nothing_takes_no_records(create: Callable[..., Serving]) -> None:
    silent = create("quiet", topic="NONE")
    client = Client(headers={"authorization": f"Bearer {silent.gateway_token}"})
    assert "logs no calls" in post(client, silent, lines({})).json()["error"]["message"]


def test_a_full_disk_is_a_reason_to_send_them_again(
    serving: Serving, replica: Client, settings: LazySettings, tmp_path: Path
) -> None:
    settings.MIN_FREE_BYTES = 2**62
    assert post(replica, serving, lines({})).status_code == 507
    settings.MIN_FREE_BYTES = 0
    settings.TOPIC_DIR = tmp_path / "file"
    settings.TOPIC_DIR.write_text("in the way")
    answer = post(replica, serving, lines({}))
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")


def test_what_was_cut_off_spoils_nothing_after_it(serving: Serving, replica: Client, folder: Path) -> None:
    assert post(replica, serving, lines({})).status_code == 204
    (path,) = (folder / serving.current.topic).iterdir()
    path.write_bytes(path.read_bytes()[:-5])
    assert post(replica, serving, lines({"request_id": "q-2"})).status_code == 204
    assert decoded(messages(folder, serving)[-1])["requestId"] == "q-2"
