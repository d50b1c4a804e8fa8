"""Messages of topics become records of the right servings: once each, and none stopped by another."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from accounts.models import Project
from serving.models import DeadLetter, InferenceRecord, Replica, Serving, Topic, TopicOffset
from serving.topics import schemas
from tests.worker.consuming.messages import NOW_MS, avro, good, mlrun, numbered, said
from worker.consuming import avro as avro_records
from worker.consuming import mlrun as mlrun_records
from worker.consuming import storing
from worker.consuming.said import Origin, Unusable

pytestmark = pytest.mark.django_db(transaction=True)

Make, Write, Consume = Callable[..., Topic], Callable[..., None], Callable[[], int]


def ids() -> set[str]:
    return set(InferenceRecord.objects.values_list("request_id", flat=True))


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
    topic = _logs_into(serving, register(subject=schemas.MLRUN, schema_version=None))
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


def _logs_into(serving: Serving, topic: Topic) -> Topic:
    """Revisions are immutable to users; here one is told where it logs."""
    serving.revisions.update(topic=topic.name)
    return topic


# --- What is nobody's record ---------------------------------------------------------------------


def spoilt(serving: int) -> list[tuple[bytes, str]]:
    whole = good(serving)
    return [
        (whole[:-3], "ends too early"),
        (b"", "ends too early"),
        (whole + b"\0", "1 bytes follow"),
        (avro(said(serving), 3), "no record of version 5"),
        (b"not avro at all, but a text that is long enough to be read as some", "no record of version 5"),
        (b"\xff" * 300, "no record of version 5"),
        (good(serving, requestTimestamp=-1), "no time in epoch milliseconds"),
        (good(serving, requestTimestamp=2**62), "no time in epoch milliseconds"),
        (good(serving, requestTimestamp=NOW_MS + 10 * 86_400_000), "has not come yet"),
        (good(serving, requestMicros=5000), "microseconds is 5000"),
        (good(serving, requestTimestamp=2**48 - 1), "no time in epoch milliseconds"),
        (good(serving, responseHttpCode=0), "status is 0"),
        (good(serving, revision=-1), "revision is -1"),
        (good(serving, seconds=float("nan")), "seconds is nan"),
        (good(serving, predictSeconds=1e30), "predictSeconds is 1e+30"),
        (good(serving, requestBytes=-7), "size is -7"),
        (good(serving, samplingPercent=float("inf")), "no percentage"),
        (good(serving, modelId=-5), "modelId is -5"),
        (good(serving + 999), "serving number"),
    ]


def test_what_is_no_record_is_kept_as_a_dead_letter_and_stops_no_other(
    serving: Serving, register: Make, write: Write, consume: Consume
) -> None:
    topic = register()
    for number, (value, _) in enumerate(spoilt(serving.pk)):
        write(topic, value, numbered(serving.pk, number))
    consume()
    expected = spoilt(serving.pk)
    assert ids() == {f"n{number}" for number in range(len(expected))}
    for letter, (value, reason) in zip(DeadLetter.objects.order_by("offset"), expected, strict=True):
        assert reason in letter.reason
        assert bytes(letter.value) == value
        assert (letter.size, letter.reason[-1]) == (len(value), ".")
    topic.refresh_from_db()
    assert topic.consumed["skipped"] == len(expected)


NOT_MLRUNS = [
    (b"not json", "no JSON"),
    (b"\xff\xfe", "not UTF-8"),
    (b"[1]", "no object"),
    (b"[" * 100_000, "nested too deeply"),
    (b"{}", "no request"),
    (mlrun(when="yesterday"), "no date and time"),
    (mlrun(when=None), "no date and time"),
    (mlrun(when="9999-12-31 23:59:59-23:59"), "no date and time"),
    (mlrun(when="1066-10-14 09:00:00+00:00"), "before 1970"),
    (mlrun(microsec=10**30), "microsec"),
    (mlrun(microsec=10**3000), "microsec"),
    (mlrun(microsec="long"), "microsec"),
    (mlrun(headers=["request"], values=[[1, 2]]), "no list of 1"),
    (mlrun(headers="request", values=[]), "no list of names"),
    (mlrun(headers=[], values=[]), "no values"),
    (mlrun(sampling_percentage="all"), "no percentage"),
]


def test_what_is_no_record_of_mlrun_is_kept_too(
    serving: Serving, register: Make, write: Write, consume: Consume
) -> None:
    topic = _logs_into(serving, register(subject=schemas.MLRUN, schema_version=None))
    for value, _ in NOT_MLRUNS:
        write(topic, value)
    write(topic, mlrun())
    consume()
    assert InferenceRecord.objects.count() == 1
    for reason, (_, expected) in zip(reasons(), NOT_MLRUNS, strict=True):
        assert expected in reason


def test_bytes_that_are_no_message_are_kept_too(
    serving: Serving, register: Make, write: Write, consume: Consume, folder: Any
) -> None:
    topic = register()
    write(topic, good(serving.pk))
    with (folder / topic.name / "r1-0-1.000001.log").open("ab") as file:
        file.write(b"rubbish")
    write(topic, good(serving.pk, requestId="b"))
    consume()
    assert ids() == {"a", "b"}
    assert [bytes(letter.value) for letter in DeadLetter.objects.all()] == [b"rubbish"]


def test_odd_text_is_stored_as_far_as_it_can_be(
    serving: Serving, register: Make, write: Write, consume: Consume
) -> None:
    topic = _logs_into(serving, register(subject=schemas.MLRUN, schema_version=None))
    write(topic, mlrun(error="\ud800 and \0", request={"inputs": ["\0", "\ud800"]}, op="x" * 900))
    consume()
    stored = InferenceRecord.objects.get()
    assert (stored.error, len(stored.verb)) == ("? and \ufffd", 100)
    assert stored.fields["in"] == {"": ["\ufffd", "?"]}


def test_a_body_that_is_too_large_is_kept_by_size_and_digest(
    serving: Serving, register: Make, write: Write, consume: Consume
) -> None:
    write(register(schema_version=1), avro(said(serving.pk, inferenceRequest="x" * 2_000_000), 1))
    consume()
    stored = InferenceRecord.objects.get()
    assert (stored.inputs, stored.inputs_bytes, len(stored.inputs_sha256)) == ("", 2_000_000, 64)


def test_dead_letters_are_kept_within_bounds(
    serving: Serving, register: Make, write: Write, consume: Consume, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "MOST_DEAD_LETTERS", 3)
    topic = register()
    write(topic, *[b"x" * 100_000 + str(number).encode() for number in range(5)])
    consume()
    write(topic, b"last")
    consume()
    kept = [bytes(letter.value) for letter in DeadLetter.objects.order_by("offset")]
    assert [len(value) for value in kept] == [65_536, 65_536, 4]
    assert list(DeadLetter.objects.order_by("offset").values_list("size", flat=True))[:1] == [100_001]
    topic.refresh_from_db()
    assert topic.consumed["skipped"] == 6


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
    write(_logs_into(serving, topic), mlrun())
    consume()
    assert not ids()
    assert "“garden/iris”" in reasons()[0]


def test_mlruns_records_of_a_serving_that_is_gone_are_not_another_ones(
    serving: Serving, register: Make, write: Write, consume: Consume
) -> None:
    topic = register(subject=schemas.MLRUN, schema_version=None)
    write(_logs_into(serving, topic), mlrun(function_uri="garden/gone"), mlrun(function_uri="other/name"))
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


# --- Whatever bytes come -------------------------------------------------------------------------

HERE = Origin("iris-inf0001", "0", 7, datetime.now(UTC))


@hypothesis(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=300
)
@given(st.binary(max_size=400), st.sampled_from([1, 2, 3, 5]))
def test_any_bytes_are_a_record_or_unusable(value: bytes, version: int) -> None:
    for read in (
        lambda: avro_records.read(value, HERE, version=version),
        lambda: mlrun_records.read(value, HERE),
    ):
        found = []
        with suppress(Unusable):
            found = read()
        assert all(100 <= each.status <= 599 for each in found)


@hypothesis(max_examples=300)
@given(st.integers(0, 400), st.integers(0, 255), st.integers(1, 3))
def test_a_changed_byte_makes_no_trouble(place: int, byte: int, serving: int) -> None:
    value = bytearray(good(serving))
    value[place % len(value)] = byte
    with suppress(Unusable):
        (found,) = avro_records.read(bytes(value), HERE, version=5)
        assert len(found.request_id) <= 128
