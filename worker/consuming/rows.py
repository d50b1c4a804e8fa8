"""Rows of inference records, and how many of them are inserted quickly, leaving out those that are there."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import connection, transaction

from serving.models import InferenceRecord
from serving.records import bins

TABLE = InferenceRecord._meta.db_table
COMING = "coming_inference_records"


class Row(NamedTuple):
    """The columns of InferenceRecord; making its objects would take longer than all else that is done with one."""

    serving_id: int
    topic: str
    request_id: str
    revision: int
    replica: str
    model_version: int
    protocol: str
    verb: str
    status: int
    duration_us: int
    queue_us: int | None
    preprocess_us: int | None
    predict_us: int | None
    postprocess_us: int | None
    inputs: str
    inputs_bytes: int
    inputs_sha256: str
    outputs: str
    outputs_bytes: int
    outputs_sha256: str
    error: str
    key_id: str
    sampling_percent: float
    requested_at: datetime
    fields: dict[str, Any]


COLUMNS = ", ".join(Row._fields)
INSERT = (
    f"INSERT INTO {TABLE} ({COLUMNS}) VALUES ({', '.join(['%s'] * len(Row._fields))}) ON CONFLICT DO NOTHING"  # noqa: S608
)
MERGE = (
    f"WITH new AS (INSERT INTO {TABLE} ({COLUMNS}) SELECT {COLUMNS} FROM {COMING}"  # noqa: S608
    " ON CONFLICT DO NOTHING RETURNING topic) SELECT topic, COUNT(*) FROM new GROUP BY topic"
)
_json = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False).encode


def insert(rows: Sequence[Row]) -> dict[str, int]:
    """Return how many are new by topic."""
    if not rows:
        return {}
    with transaction.atomic():
        return _copied(rows) if connection.vendor == "postgresql" else _inserted(rows)


def _copied(rows: Sequence[Row]) -> dict[str, int]:
    """By COPY into a table of this connection, and from there in one statement: several times as fast as INSERT."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TEMPORARY TABLE IF NOT EXISTS {COMING} ON COMMIT DELETE ROWS"  # noqa: S608
            f" AS SELECT {COLUMNS} FROM {TABLE} WITH NO DATA"
        )
        with connection.wrap_database_errors, cursor.copy(f"COPY {COMING} ({COLUMNS}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row((*row[:-1], _json(bins.beside(row.fields))))
        cursor.execute(MERGE)
        new = dict(cursor.fetchall())
        cursor.execute(f"DELETE FROM {COMING}")  # noqa: S608
    return new


def _inserted(rows: Sequence[Row]) -> dict[str, int]:
    by_topic: dict[str, list[tuple[Any, ...]]] = {}
    for row in rows:
        at = str(row.requested_at.astimezone(UTC).replace(tzinfo=None))
        by_topic.setdefault(row.topic, []).append((*row[:-2], at, _json(row.fields)))
    new: Counter[str] = Counter()
    with connection.cursor() as cursor:
        for topic, values in by_topic.items():
            cursor.executemany(INSERT, values)
            new[topic] += cursor.rowcount
    return dict(new)
