"""Inserts inference records quickly, leaving out those that are there."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction

from serving.models import InferenceRecord

TABLE = InferenceRecord._meta.db_table
COMING = "coming_inference_records"
FIELDS = [field for field in InferenceRecord._meta.concrete_fields if not field.primary_key]
COLUMNS = ", ".join(f'"{field.column}"' for field in FIELDS)


def insert(records: Sequence[InferenceRecord]) -> dict[str, int]:
    """Return how many are new by topic."""
    if not records:
        return {}
    values = [[_value(record, field) for field in FIELDS] for record in records]
    with transaction.atomic():
        return _copied(values) if connection.vendor == "postgresql" else _inserted(records, values)


def _value(record: InferenceRecord, field: Any) -> Any:
    return field.get_db_prep_save(getattr(record, field.attname), connection)


def _copied(values: Sequence[Sequence[Any]]) -> dict[str, int]:
    """By COPY into a table of this connection, and from there in one statement: several times as fast as INSERT."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TEMPORARY TABLE IF NOT EXISTS {COMING} ON COMMIT DELETE ROWS"  # noqa: S608
            f" AS SELECT {COLUMNS} FROM {TABLE} WITH NO DATA"
        )
        with cursor.copy(f"COPY {COMING} ({COLUMNS}) FROM STDIN") as copy:
            for row in values:
                copy.write_row(row)
        cursor.execute(
            f"WITH new AS (INSERT INTO {TABLE} ({COLUMNS}) SELECT {COLUMNS} FROM {COMING}"  # noqa: S608
            " ON CONFLICT DO NOTHING RETURNING topic) SELECT topic, COUNT(*) FROM new GROUP BY topic"
        )
        new = dict(cursor.fetchall())
        cursor.execute(f"DELETE FROM {COMING}")  # noqa: S608
    return new


def _inserted(records: Sequence[InferenceRecord], values: Sequence[Sequence[Any]]) -> dict[str, int]:
    by_topic: dict[str, list[Sequence[Any]]] = {}
    for record, row in zip(records, values, strict=True):
        by_topic.setdefault(record.topic, []).append(row)
    marks = ", ".join(["%s"] * len(FIELDS))
    statement = f"INSERT INTO {TABLE} ({COLUMNS}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608
    new: Counter[str] = Counter()
    with connection.cursor() as cursor:
        for topic, rows in by_topic.items():
            cursor.executemany(statement, rows)
            new[topic] += cursor.rowcount
    return dict(new)
