"""Inference records from the topics' files into the database: once each, and none stopped by another."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.models import InferenceRecord, Serving, TopicOffset
from worker import log_consumer, retention

GOOD = {
    "request_id": "r",
    "project": "garden",
    "serving": "iris",
    "revision": "1",
    "replica": "r1-0-1",
    "model_version": "1",
    "verb": "predict",
    "status": 200,
    "requested_at": 1_700_000_000_000,
    "duration_us": 1200,
    "inputs": '{"instances": [[1]]}',
    "outputs": '{"predictions": [1]}',
    "error": None,
    "key_id": "abc",
}


@pytest.fixture
def topic(tmp_path: Path, settings, create: Callable[..., Serving]) -> Path:
    settings.TOPIC_DIR = tmp_path / "topics"
    path = settings.TOPIC_DIR / "garden" / "iris-inf0001" / "r1-0-1.jsonl"
    path.parent.mkdir(parents=True)
    create()
    return path


def write(topic: Path, *records: object) -> None:
    with topic.open("a") as file:
        for record in records:
            file.write((record if isinstance(record, str) else json.dumps(record)) + "\n")


def ids() -> set[str]:
    return set(InferenceRecord.objects.values_list("request_id", flat=True))


def test_every_record_is_stored_once(topic: Path) -> None:
    write(topic, GOOD | {"request_id": "a"}, GOOD | {"request_id": "b"})
    assert log_consumer.consume_once() == 2
    assert log_consumer.consume_once() == 0
    TopicOffset.objects.update(position=0)
    log_consumer.consume_once()
    assert ids() == {"a", "b"}
    stored = InferenceRecord.objects.get(request_id="a")
    assert (stored.inputs, stored.duration_us, stored.key_id) == (GOOD["inputs"], 1200, "abc")


def test_calls_that_share_a_request_id_are_all_kept(topic: Path) -> None:
    write(topic, *[GOOD | {"requested_at": 1_700_000_000_000 + n} for n in range(3)])
    log_consumer.consume_once()
    assert InferenceRecord.objects.count() == 3


def test_a_line_that_is_still_being_written_waits(topic: Path) -> None:
    write(topic, GOOD | {"request_id": "a"})
    with topic.open("a") as file:
        file.write('{"request_id": "b"')
    log_consumer.consume_once()
    assert ids() == {"a"}


POISON = [
    "not json",
    "[]",
    "1",
    "{}",
    "[" * 100_000,
    json.dumps(GOOD | {"status": 10**30}),
    json.dumps(GOOD | {"status": -1}),
    json.dumps(GOOD | {"duration_us": "long"}),
    json.dumps(GOOD | {"requested_at": 10**30}),
    json.dumps(GOOD | {"requested_at": "now"}),
    json.dumps(GOOD | {"revision": None}),
    json.dumps(GOOD | {"serving": "nobody"}),
]


@pytest.mark.parametrize("line", POISON, ids=range(len(POISON)))
def test_a_bad_line_stops_no_other(line: str, topic: Path) -> None:
    write(topic, GOOD | {"request_id": "before"}, line, GOOD | {"request_id": "after"})
    log_consumer.consume_once()
    assert {"before", "after"} <= ids()


def test_odd_text_is_stored_as_far_as_it_can_be(topic: Path) -> None:
    write(topic, GOOD | {"error": "\ud800 and \0", "request_id": "a", "inputs": {"size": 9, "sha256": "x"}})
    log_consumer.consume_once()
    stored = InferenceRecord.objects.get()
    assert (stored.error, json.loads(stored.inputs)["size"]) == ("? and \ufffd", 9)


def test_the_oldest_records_go_when_there_are_too_many(topic: Path, settings) -> None:
    settings.INFERENCE_RECORDS_KEPT = 2
    write(topic, *[GOOD | {"request_id": str(n), "requested_at": 1_700_000_000_000 + n} for n in range(5)])
    log_consumer.consume_once()
    retention.trim_inference_records()
    assert ids() == {"3", "4"}
