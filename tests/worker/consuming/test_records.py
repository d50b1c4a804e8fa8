"""Messages of topics become records of the right servings: once each, and none stopped by another."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.db import connection

from accounts.models import Project
from serving.models import DeadLetter, InferenceRecord, Replica, Serving, Topic, TopicOffset
from serving.topics import schemas
from tests.worker.consuming.messages import NOW_MS, avro, good, ids, logs_into, mlrun, said

pytestmark = pytest.mark.django_db(transaction=True)

Make, Write, Consume = Callable[..., Topic], Callable[..., None], Callable[[], int]


def reasons() -> list[str]:
    return list(DeadLetter.objects.order_by("pk").values_list("reason", flat=True))


def test_a_record_is_stored_in_full_and_once(
    serving: Serving, register: Make, write: Write, consume: Consume
) -> None:
    topic = register()
    write(topic, good(serving.pk), good(serving.pk, requestId="b"))
    assert (consume(), consume()) == (2, 0)
    TopicOffset.objects.update(position=0)
    assert consume() == 2
    assert ids() == {"a", "b"}
    stored = InferenceRecord.objects.get(request_id="a")
    assert (stored.serving, stored.topic, stored.revision) == (serving, topic.name, 2)
    assert (stored.replica, stored.model_version) == ("r2-0-1", 1)
    assert (stored.protocol, stored.verb, stored.status, stored.key_id) == ("v1", "predict", 200, "abc")
    assert stored.requested_at.timestamp() == pytest.approx(NOW_MS / 1000 + 0.00025, abs=1e-6)
    times = (stored.duration_us, stored.queue_us, stored.preprocess_us, stored.predict_us)
    assert (*times, stored.postprocess_us) == (1200, 100, None, 800, 0)
    assert (stored.inputs, stored.inputs_bytes) == ('{"instances": [[1, 2]]}', 23)
    assert (stored.fields["in"], stored.fields["out"]) == ({"0": [1], "1": [2]}, {"": [3]})
    assert ("bins" in stored.fields) is (connection.vendor == "postgresql")
    topic.refresh_from_db()
    assert (topic.consumed["stored"], topic.consumed["skipped"]) == (2, 0)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_records_of_older_versions_are_stored_too(
    version: int, serving: Serving, register: Make, write: Write, consume: Consume
) -> None:
    topic = register(schema_version=version)
    left_out = json.dumps({"size": 70_000, "sha256": "ab" * 32}, separators=(",", ":"))
    write(topic, avro(said(serving.pk, inferenceRequest=left_out), version))
    consume()
    stored = InferenceRecord.objects.get()
    assert stored.request_id == "iris-inf0001-r1-0-1.000001.log-0"
    assert (stored.revision, stored.duration_us, stored.queue_us) == (0, 0, None)
    assert (stored.inputs, stored.inputs_bytes, stored.inputs_sha256) == ("", 70_000, "ab" * 32)
    assert (stored.outputs, stored.outputs_bytes) == ('{"predictions": [3]}', 20)


def test_calls_that_share_a_request_id_are_all_kept(
    serving: Serving, register: Make, write: Write, consume: Consume
) -> None:
    write(register(), *[good(serving.pk, requestMicros=number) for number in range(3)])
    consume()
    assert InferenceRecord.objects.count() == 3


def test_mlruns_records_are_stored(serving: Serving, register: Make, write: Write, consume: Consume) -> None:
    topic = logs_into(serving, register(subject=schemas.MLRUN, schema_version=None))
    Replica.objects.create(serving=serving, name="r2-0-1", revision=7, slot=0, attempt=1, state="exited")
    batch = {"headers": ["request", "op", "resp", "when", "microsec", "metrics"], "request": "-", "resp": "-"}
    when = "2026-11-20 11:00:00.000001+00:00"
    rows = [[{"inputs": [n]}, "predict", {"outputs": [n]}, when, 1_500_000, {}] for n in range(2)]
    failed = {"resp": "-", "microsec": "-", "error": "it broke", "when": "2026-11-20 12:00:00+02:00"}
    write(topic, mlrun(), mlrun(**batch, values=rows), mlrun(**failed))
    consume()
    assert not reasons()
    single, first, second, error = InferenceRecord.objects.order_by("id")
    assert (single.request_id, single.verb, single.status, single.duration_us) == ("a", "infer", 200, 1200)
    assert (single.revision, single.protocol) == (7, "mlrun")
    assert single.requested_at == datetime(2026, 11, 20, 10, 0, 0, 123456, tzinfo=UTC)
    assert (single.fields["in"], single.fields["out"]) == ({"0": [1], "1": [2]}, {"": [3]})
    assert (first.duration_us, first.fields["in"]) == (1_500_000, {"": [0]})
    assert {first.request_id[-2:], second.request_id[-2:]} == {"-0", "-1"}
    assert (error.status, error.error, error.outputs) == (400, "it broke", "")
    assert error.requested_at.hour == 10


# --- Whose records they are ----------------------------------------------------------------------


def test_no_record_lands_in_a_serving_of_another_project(
    serving: Serving, register: Make, write: Write, consume: Consume
) -> None:
    other = Project.objects.get(name="elsewhere")
    write(register("theirs-inf0001", project=other), good(serving.pk))
    consume()
    assert not ids()
    assert "which elsewhere has not" in reasons()[0]


def test_mlruns_records_of_another_project_find_no_serving(
    serving: Serving, register: Make, write: Write, consume: Consume
) -> None:
    other = Project.objects.get(name="elsewhere")
    topic = register(subject=schemas.MLRUN, schema_version=None, project=other)
    write(logs_into(serving, topic), mlrun())
    consume()
    assert not ids()
    assert "“garden/iris”" in reasons()[0]


def test_mlruns_records_of_a_serving_that_is_gone_are_not_another_ones(
    serving: Serving, register: Make, write: Write, consume: Consume
) -> None:
    topic = register(subject=schemas.MLRUN, schema_version=None)
    write(logs_into(serving, topic), mlrun(function_uri="garden/gone"), mlrun(function_uri="other/name"))
    consume()
    assert InferenceRecord.objects.filter(serving=serving).count() == 1
    assert "“garden/gone”" in reasons()[0]


def test_records_of_a_deleted_serving_are_counted_and_no_more(
    serving: Serving, register: Make, write: Write, consume: Consume
) -> None:
    topic = register()
    Serving.objects.filter(pk=serving.pk).update(is_deleted=True)
    write(topic, good(serving.pk))
    consume()
    topic.refresh_from_db()
    assert (ids(), reasons(), topic.consumed["skipped"]) == (set(), [], 1)


def test_a_record_that_the_database_refuses_stops_no_other(
    serving: Serving, register: Make, write: Write, consume: Consume, monkeypatch: pytest.MonkeyPatch
) -> None:
    """We know of nothing that is refused, so here a check before it is left out."""

    def unchecked(name: str, seconds: float) -> int | None:
        return None if seconds == -1 else round(seconds * 1_000_000)

    monkeypatch.setattr("worker.consuming.said.micros", unchecked)
    topic = register()
    poison = good(serving.pk, requestId="poison", queueSeconds=-4.0)
    write(topic, good(serving.pk), poison, good(serving.pk, requestId="b"))
    consume()
    assert ids() == {"a", "b"}
    letter = DeadLetter.objects.get()
    assert "The database refuses this record" in letter.reason
    assert bytes(letter.value) == poison
    topic.refresh_from_db()
    assert (topic.consumed["stored"], topic.consumed["skipped"]) == (2, 1)


def test_topics_are_found_while_the_consumer_runs(
    serving: Serving, register: Make, write: Write, consume: Consume
) -> None:
    register("other", subject="", schema_version=None)
    write(register("waiting-inf0001", state=Topic.State.WAITING), good(serving.pk))
    assert consume() == 0
    write(register(), good(serving.pk))
    assert consume() == 1
    Topic.objects.filter(name="waiting-inf0001").update(state=Topic.State.READY)
    assert consume() == 1
