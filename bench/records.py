"""How fast a million inference records are found and stored: `.venv/bin/python bench/records.py [--explain]`.

Starts a PostgreSQL of its own, fills it with records of three servings over a month, and asks for the explorer's pages
of the busiest one; prints the best and the median of several tries of each. `--consumer N` stores N more, read from a
topic of a Kafka of its own (tests/setup.sh fetches it), and prints records a second.
"""

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]
TRIES = 7
PAGE = 50
PATIENCE_SECONDS = 10.0
TARGET_MS = 100
FILL = """
INSERT INTO serving_inferencerecord (
    request_id, serving_id, topic, revision, replica, model_version, protocol, verb, status, requested_at, duration_us,
    queue_us, predict_us, inputs, inputs_bytes, inputs_sha256, outputs, outputs_bytes, outputs_sha256, fields, error,
    key_id, sampling_percent
)
SELECT 'request-' || n, (%(servings)s::bigint[])[CASE WHEN n %% 10 < 7 THEN 1 WHEN n %% 10 < 9 THEN 2 ELSE 3 END],
    'topic', 1 + n * 5 / (%(total)s + 1), 'r' || (1 + n * 5 / (%(total)s + 1)) || '-' || (n %% 3) || '-1', 1,
    'v1', CASE WHEN n %% 50 = 0 THEN 'explain' ELSE 'predict' END,
    CASE WHEN n %% 20000 = 0 THEN 503 WHEN n %% 211 = 0 THEN 500 WHEN n %% 97 = 0 THEN 400 ELSE 200 END,
    %(start)s::timestamptz + (n * 30.0 / %(total)s) * interval '1 day' + random() * interval '1 second',
    CASE WHEN n %% 30000 = 0 THEN 2000000 ELSE 500 + (random() ^ 4 * 40000)::int END, 50, 300,
    '{"instances": [[' || a || ', ' || b || ', "' || color || '"]]}', 60, '',
    '{"predictions": ["' || kind || '"]}', 30, '',
    jsonb_build_object(
        'in', jsonb_build_object('sepal_length', jsonb_build_array(a), 'sepal_width', jsonb_build_array(b),
            'color', jsonb_build_array(color), 'weight', jsonb_build_array(w)),
        'out', jsonb_build_object('', jsonb_build_array(kind)),
        'bins', jsonb_build_object('in', jsonb_build_object(
            'sepal_length', of_a.bins, 'sepal_width', of_b.bins, 'weight', of_w.bins))
    ),
    CASE WHEN n %% 211 = 0 THEN 'ValueError: it broke' ELSE '' END,
    CASE WHEN n %% 100000 = 0 THEN 'key-rare' ELSE 'key-' || n %% 5 END, 100
FROM (
    SELECT n, round((4 + random() * 4)::numeric, 1) AS a, round((2 + random() * 2.5)::numeric, 1) AS b,
        (ARRAY['red', 'green', 'blue'])[1 + n %% 3] || CASE WHEN n %% 90001 = 0 THEN '-rare' ELSE '' END AS color,
        CASE WHEN n %% 75000 = 0 THEN 99.5 ELSE round((random() * 50)::numeric, 3) END AS w,
        (ARRAY['setosa', 'versicolor', 'virginica'])[1 + n %% 3] AS kind
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
) AS rows
JOIN bins AS of_a ON of_a.number = a JOIN bins AS of_b ON of_b.number = b JOIN bins AS of_w ON of_w.number = w
"""
CASES: list[tuple[str, dict[str, Any]]] = [
    ("the newest", {}),
    ("the last 24 hours", {"period": "24h"}),
    ("status 5xx (0.5 %)", {"status": "5xx"}),
    ("status 503 (0.005 %)", {"status": "503"}),
    ("failed (1.5 %)", {"status": "failed"}),
    ("status 501 (none)", {"status": "501"}),
    ("slower than 25 ms (12 %)", {"at_least_ms": "25"}),
    ("slower than 1 s (0.003 %)", {"at_least_ms": "1000"}),
    ("slower than an hour (none)", {"at_least_ms": "3600000"}),
    ("revision 1 (the oldest)", {"revision": "1"}),
    ("replica of revision 1", {"replica": "r1-1-1"}),
    ("key (20 %)", {"key": "key-2"}),
    ("key (0.001 %)", {"key": "key-rare"}),
    ("request id", {"request_id": "request-123450"}),
    ("request id (none)", {"request_id": "nobody's"}),
    ("verb explain (2 %)", {"verb": "explain"}),
    ("verb (none)", {"verb": "classify"}),
    ("in.color = red (33 %)", {"where": "in.color = red"}),
    ("in.color = red-rare", {"where": "in.color = red-rare"}),
    ("out = nobody (none)", {"where": "out = nobody"}),
    ("in.sepal_length > 7 (25 %)", {"where": "in.sepal_length > 7"}),
    ("in.weight > 99 (0.001 %)", {"where": "in.weight > 99"}),
    ("in.weight > 100 (none)", {"where": "in.weight > 100"}),
    ("in.color ~ rare", {"where": "in.color ~ rare"}),
    ("failed, revision 2, red", {"status": "failed", "revision": "2", "where": "in.color = red"}),
]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--records", type=int, default=1_000_000)
    arguments.add_argument("--consumer", type=int, default=0, metavar="N")
    arguments.add_argument("--explain", action="store_true", help="show the plan of what misses the target")
    asked = arguments.parse_args()
    from tests import postgres

    with tempfile.TemporaryDirectory(prefix="hopyard-bench-") as name, postgres.running() as url:
        os.environ |= {"HOPYARD_DATA_DIR": f"{name}/data", "HOPYARD_DATABASE_URL": url}
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
        setup()
        serving = fill(asked.records)
        misses = [case for case in CASES if ask(serving, *case) > TARGET_MS]
        others(serving)
        if asked.explain:
            for title, filters in misses:
                explain(serving, title, filters)
        if asked.consumer:
            consume(serving, asked.consumer)


def setup() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def fill(total: int) -> Any:
    """The serving that has most of the records."""
    from datetime import UTC, datetime, timedelta

    from django.db import connection

    from accounts.models import Project
    from serving.models import InferenceRecord, Serving
    from worker.consuming import partitions

    project = Project.objects.create(name="bench")
    servings = [Serving.objects.create(project=project, name=f"s{n}", port=20_000 + n) for n in range(3)]
    start = datetime.now(UTC) - timedelta(days=30)
    partitions.ensure(start.date() + timedelta(days=number) for number in range(32))
    began, step = time.monotonic(), 50_000
    common = {"servings": [each.pk for each in servings], "total": total, "start": start}
    with connection.cursor() as cursor:
        note_bins(cursor)
        cursor.execute("SELECT setseed(0.5)")
        for first in range(1, total + 1, step):
            cursor.execute(FILL, common | {"first": first, "last": min(total, first + step - 1)})
        filled = time.monotonic() - began
        cursor.execute("VACUUM ANALYZE serving_inferencerecord")
        cursor.execute("SELECT COUNT(*) FROM serving_inferencerecord_default")
        beside = cursor.fetchone()[0]
    of_first = InferenceRecord.objects.filter(serving=servings[0]).count()
    print(
        f"{total:,} records in {filled:.0f} s ({beside:,} beside their days); {of_first:,} of the serving\n"
    )
    print(f"{'page':34}{'best ms':>9}{'median':>9}  calls")
    return servings[0]


def note_bins(cursor: Any) -> None:
    """The bins of all numbers that are drawn."""
    from serving.records import bins

    cursor.execute("CREATE TEMPORARY TABLE bins (number numeric PRIMARY KEY, bins jsonb)")
    numbers = [number / 1000 for number in range(50_001)] + [99.5]
    rows = ((number, json.dumps(bins.of_column([number]))) for number in numbers)
    cursor.executemany("INSERT INTO bins VALUES (%s, %s)", rows)
    cursor.execute("ANALYZE bins")


def ask(serving: Any, title: str, filters: dict[str, Any]) -> float:
    """The first page and the second; print their times and return the slower median."""
    first, page = timed(lambda: page_of(serving, filters))
    note(title, first, f"{len(page.records)}{'+' if page.next else ''}")
    if page.next is None:
        return statistics.median(first)
    second, page = timed(lambda: page_of(serving, filters, page.next))
    note("  its second page", second, f"{len(page.records)}{'+' if page.next else ''}")
    return max(statistics.median(first), statistics.median(second))


def page_of(serving: Any, said: dict[str, Any], after: Any = None) -> Any:
    from serving.records import filters, queries

    return queries.page(serving, filters.parse(said), after=after, size=PAGE, seconds=PATIENCE_SECONDS)


def others(serving: Any) -> None:
    from serving.records import charts, filters, queries

    newest = page_of(serving, {}).records[0].pk
    note("a record in full", timed(lambda: queries.one(serving, newest))[0], "1")
    for title, said in (("chart of 24 hours", {"period": "24h"}), ("chart of everything", {})):
        times, chart = timed(lambda said=said: charts.draw(serving, filters.parse(said)))
        note(title, times, f"{chart.calls:,}")


def timed(do: Callable[[], Any]) -> tuple[list[float], Any]:
    times = []
    for _ in range(TRIES):
        began = time.perf_counter()
        found = do()
        times.append((time.perf_counter() - began) * 1000)
    return times, found


def note(title: str, times: list[float], found: str) -> None:
    slow = "  <-- over the target" if statistics.median(times) > TARGET_MS else ""
    print(f"{title:34}{min(times):9.1f}{statistics.median(times):9.1f}  {found}{slow}", flush=True)


def explain(serving: Any, title: str, filters: dict[str, Any]) -> None:
    """The plan of every query that the page asks."""
    from django.db import connection

    def show(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("SELECT") and "set_config" not in sql:
            with connection.connection.cursor() as cursor:
                plan = cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, SUMMARY) {sql}", params).fetchall()
            print("\n".join(line for (line,) in plan), end="\n\n")
        return execute(sql, params, many, context)

    print(f"\n--- {title}")
    with connection.execute_wrapper(show):
        page_of(serving, filters)


def consume(serving: Any, total: int) -> None:
    """Publish records and store them, as `manage.py consume` does."""
    from django.conf import settings

    from serving.models import InferenceRecord, Topic
    from tests import broker
    from tests.worker.consuming.messages import NOW_MS, good
    from worker.consuming.consumer import Consumer
    from worker.topics import installed

    with broker.running() as kafka:
        settings.KAFKA_BROKERS = [kafka.address]
        there = installed.broker()
        there.create("bench-inf0001", partitions=2, replication=1)
        about = {"subject": "inferenceschema", "schema_version": 5, "state": Topic.State.READY}
        Topic.objects.create(project=serving.project, name="bench-inf0001", **about)
        for first in range(0, total, 5000):
            numbers = range(first, min(total, first + 5000))
            body = f'{{"instances": [[{random.random():.3f}, 2.5, 3.5, 1]]}}'
            values = [
                good(serving.pk, requestId=f"c{n}", requestTimestamp=NOW_MS - n, inferenceRequest=body)
                for n in numbers
            ]
            there.publish("bench-inf0001", values)
        consumer = Consumer(there, lambda seconds: False)
        stored, began = 0, 0.0
        while stored < total:
            before = time.monotonic()
            stored += consumer.step()
            began = began or (before if stored else 0.0)
        took = time.monotonic() - began
        there_now = InferenceRecord.objects.filter(topic="bench-inf0001").count()
        consumer.close()
        print(f"\n{there_now:,} records from Kafka in {took:.1f} s: {there_now / took:,.0f} a second")


if __name__ == "__main__":
    main()
