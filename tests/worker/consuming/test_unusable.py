"""What is no record, or an odd one: it is kept as a dead letter or as far as it can be, and stops no other."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from serving.models import DeadLetter, InferenceRecord, Serving, Topic
from serving.topics import schemas
from tests.worker.consuming.messages import NOW_MS, avro, good, ids, logs_into, mlrun, numbered, said
from worker.consuming import avro as avro_records
from worker.consuming import mlrun as mlrun_records
from worker.consuming import storing
from worker.consuming.said import Origin, Unusable

pytestmark = pytest.mark.django_db(transaction=True)

Make, Write, Consume = Callable[..., Topic], Callable[..., None], Callable[[], int]


def reasons() -> list[str]:
    return list(DeadLetter.objects.order_by("pk").values_list("reason", flat=True))


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
    topic = logs_into(serving, register(subject=schemas.MLRUN, schema_version=None))
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
    topic = logs_into(serving, register(subject=schemas.MLRUN, schema_version=None))
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
