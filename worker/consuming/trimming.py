"""Keeps the records of each serving within their age, number and size, the oldest first, in steps that lock little."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Count, Func, IntegerField, Q, QuerySet, Sum, TextField
from django.db.models.sql.compiler import SQLCompiler

from serving.models import InferenceRecord, Serving
from worker.consuming import partitions

STEP = 5000
STEP_ELSEWHERE = 1000  # SQLite has one writer at a time
ANALYSED = 1000  # entries of an index
ROW_BYTES = 500  # of a record without its bodies
MEGABYTE = 1024 * 1024
MINUTE = "%Y-%m-%d %H:%M"

Sql = tuple[str, tuple[str | int, ...]]


def trim() -> None:
    """In steps of their own; whoever dies in between has trimmed less."""
    by_age()
    for serving in Serving.objects.all():
        by_number(serving)
        by_size(serving)
    _tell_planner()


def _tell_planner() -> None:
    """SQLite does not look by itself which index is the best for what is rare; a part of each is enough."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA analysis_limit = {ANALYSED}")
            cursor.execute(f"ANALYZE {InferenceRecord._meta.db_table}")


def by_age() -> None:
    """What is older than INFERENCE_RECORDS_DAYS. Where days have partitions, one goes when all of it is."""
    partitions.ensure(partitions.ahead())
    if not settings.INFERENCE_RECORDS_DAYS:
        return
    oldest = datetime.now(UTC) - timedelta(days=settings.INFERENCE_RECORDS_DAYS)
    if partitions.are_used():
        oldest = oldest.replace(hour=0, minute=0, second=0, microsecond=0)
        partitions.drop_before(oldest.date())
    _delete(InferenceRecord.objects.all(), Q(requested_at__lt=oldest))


def by_number(serving: Serving) -> None:
    """What is beyond the newest INFERENCE_RECORDS_KEPT."""
    records = InferenceRecord.objects.filter(serving=serving)
    newest = records.order_by("-requested_at", "-id").values_list("requested_at", "pk")
    kept = settings.INFERENCE_RECORDS_KEPT
    if kept and (beyond := newest[kept : kept + 1].first()):
        at, number = beyond
        is_older = Q(requested_at__lt=at) | Q(requested_at=at, pk__lte=number)
        _delete(records, Q(requested_at__lte=at) & is_older)


def by_size(serving: Serving) -> None:
    """What is beyond the newest INFERENCE_RECORDS_MB, by whole minutes; the newest minute always stays."""
    left = settings.INFERENCE_RECORDS_MB * MEGABYTE
    if not left:
        return
    records = InferenceRecord.objects.filter(serving=serving)
    for number, (minute, size) in enumerate(_minutes(records)):
        left -= size
        if left < 0 and number:
            _delete(records, Q(requested_at__lt=minute + timedelta(minutes=1)))
            return


def forget(serving: Serving) -> None:
    """All of one that is deleted."""
    _delete(InferenceRecord.objects.filter(serving=serving), Q())


def _minutes(records: QuerySet[InferenceRecord]) -> Iterable[tuple[datetime, int]]:
    """How many bytes are kept of each minute, the newest first."""
    size = Sum(_Bytes("inputs") + _Bytes("outputs") + _Bytes("error")) + Count("pk") * ROW_BYTES
    found = records.order_by().annotate(minute=_Minute("requested_at")).values("minute").annotate(size=size)
    for minute, bytes_ in found.order_by("-minute").values_list("minute", "size"):
        yield datetime.strptime(minute, MINUTE).replace(tzinfo=UTC), bytes_


class _Bytes(Func):
    """Of a text as it is stored, without reading what lies beside its row."""

    template = "octet_length(%(expressions)s)"
    output_field = IntegerField()

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any) -> Sql:
        return self.as_sql(compiler, connection, template="length(CAST(%(expressions)s AS BLOB))")


class _Minute(Func):
    """The minute of a time, as text in MINUTE's form."""

    template = "to_char(%(expressions)s AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')"
    output_field = TextField()

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any) -> Sql:
        return self.as_sql(compiler, connection, template="substr(%(expressions)s, 1, 16)")


def _delete(records: QuerySet[InferenceRecord], condition: Q) -> None:
    """By slices of time, each in a transaction of its own."""
    going = records.filter(condition).order_by("requested_at")
    step = STEP if partitions.are_used() else STEP_ELSEWHERE
    is_more = True
    while is_more:
        last = going.values_list("requested_at", flat=True)[step : step + 1].first()
        is_more = last is not None
        (going.filter(requested_at__lte=last) if is_more else going).order_by().delete()
