"""Records beyond the kept age, number and size go, the oldest first; on PostgreSQL whole days at once."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from serving.models import InferenceRecord, Serving
from worker import retention
from worker.consuming import partitions, rows, trimming
from worker.consuming.rows import Row

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime.now(UTC).replace(microsecond=0)
on_postgres = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="days are partitions on PostgreSQL only"
)


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trimming, "STEP", 3)
    monkeypatch.setattr(trimming, "STEP_ELSEWHERE", 3)


def record(serving: Serving, number: int, **about: Any) -> Row:
    plain = Row(
        serving_id=serving.pk,
        topic="iris-inf0001",
        request_id=f"n{number}",
        revision=1,
        replica="r",
        model_version=1,
        protocol="v1",
        verb="predict",
        status=200,
        duration_us=1,
        queue_us=None,
        preprocess_us=None,
        predict_us=None,
        postprocess_us=None,
        inputs="",
        inputs_bytes=0,
        inputs_sha256="",
        outputs="",
        outputs_bytes=0,
        outputs_sha256="",
        error="",
        key_id="",
        sampling_percent=100.0,
        requested_at=NOW - timedelta(minutes=number),
        fields={},
    )
    return plain._replace(**about)


def ids(serving: Serving) -> list[str]:
    found = InferenceRecord.objects.filter(serving=serving).order_by("-requested_at", "-id")
    return list(found.values_list("request_id", flat=True))


def names(count: int) -> list[str]:
    return [f"n{number}" for number in range(count)]


def test_the_oldest_of_too_many_go_from_each_serving(create: Callable[..., Serving], settings) -> None:
    settings.INFERENCE_RECORDS_KEPT = 4
    one, other = create(topic="NONE"), create(topic="NONE", name="other")
    rows.insert([record(one, number) for number in range(20)])
    rows.insert([record(other, number, requested_at=NOW - timedelta(days=1)) for number in range(3)])
    retention.trim_inference_records()
    assert ids(one) == names(4)
    assert len(ids(other)) == 3


def test_records_of_the_same_moment_go_one_by_one(create: Callable[..., Serving], settings) -> None:
    settings.INFERENCE_RECORDS_KEPT = 4
    serving = create(topic="NONE")
    rows.insert([record(serving, number, requested_at=NOW) for number in range(10)])
    retention.trim_inference_records()
    assert ids(serving) == ["n9", "n8", "n7", "n6"]


def test_what_is_too_large_goes_by_minutes(create: Callable[..., Serving], settings) -> None:
    settings.INFERENCE_RECORDS_MB = 1
    serving = create(topic="NONE")
    rows.insert([record(serving, number, inputs="ä" * 100_000) for number in range(10)])
    retention.trim_inference_records()
    assert ids(serving) == names(5)  # 200,500 bytes each


def test_one_record_that_is_too_large_stays(create: Callable[..., Serving], settings) -> None:
    settings.INFERENCE_RECORDS_MB = 1
    serving = create(topic="NONE")
    rows.insert([record(serving, number, outputs="x" * 2_000_000) for number in range(2)])
    retention.trim_inference_records()
    assert ids(serving) == names(1)


def test_what_is_too_old_goes(create: Callable[..., Serving], settings) -> None:
    settings.INFERENCE_RECORDS_DAYS = 3
    serving = create(topic="NONE")
    days = (0, 1, 2, 5, 6, 7, 900, 901)
    rows.insert([record(serving, day, requested_at=NOW - timedelta(days=day)) for day in days])
    retention.trim_inference_records()
    assert ids(serving) == names(3)


def test_nothing_is_kept_too_short_where_there_are_no_limits(
    create: Callable[..., Serving], settings
) -> None:
    settings.INFERENCE_RECORDS_DAYS = settings.INFERENCE_RECORDS_KEPT = settings.INFERENCE_RECORDS_MB = 0
    serving = create(topic="NONE")
    rows.insert([record(serving, 0, requested_at=NOW - timedelta(days=900), inputs=json.dumps("x" * 99))])
    retention.trim_inference_records()
    assert ids(serving) == names(1)


# --- Partitions ----------------------------------------------------------------------------------


def of_default() -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {partitions.DEFAULT}")
        return int(cursor.fetchone()[0])


@on_postgres
def test_days_are_made_ahead_and_dropped_whole(settings) -> None:
    settings.INFERENCE_RECORDS_DAYS = 3
    today = NOW.date()
    old = today - timedelta(days=3)
    partitions.ensure([old, today - timedelta(days=4), today + timedelta(days=700)])
    retention.trim_inference_records()
    assert {old, *partitions.ahead()} <= partitions.days()
    assert min(partitions.days()) == old
    settings.INFERENCE_RECORDS_DAYS = 1
    retention.trim_inference_records()
    assert old not in partitions.days()


@on_postgres
def test_a_record_without_a_day_is_kept_and_moves_into_its_day(
    create: Callable[..., Serving], settings
) -> None:
    settings.INFERENCE_RECORDS_DAYS = 40
    serving = create(topic="NONE")
    at = NOW - timedelta(days=20)
    partitions.drop_before((at + timedelta(days=1)).date())
    rows.insert([record(serving, 0, requested_at=at)])
    assert of_default() == 1
    partitions.ensure([at.date()])
    assert (of_default(), ids(serving)) == (0, ["n0"])
    assert rows.insert([record(serving, 0, requested_at=at)]) == {}


@on_postgres
def test_a_table_that_is_busy_is_not_waited_for_long(settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.INFERENCE_RECORDS_DAYS = 40
    monkeypatch.setattr(partitions, "PATIENCE", "50ms")
    day = NOW.date() - timedelta(days=30)
    partitions.drop_before(day + timedelta(days=1))
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(f"LOCK TABLE {partitions.DEFAULT} IN ACCESS SHARE MODE")
            partitions.ensure([day])
            assert day not in partitions.days()
    finally:
        other.close()
    partitions.ensure([day])
    assert day in partitions.days()
