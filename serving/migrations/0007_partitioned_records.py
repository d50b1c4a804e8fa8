"""Inference records by days: on PostgreSQL a table of partitions; elsewhere the same indexes on the plain one."""

from datetime import UTC, datetime, timedelta

from django.db import migrations, models

TABLE = "serving_inferencerecord"
PLAIN = f"{TABLE}_plain"
MOST_DAYS = 366  # that get a partition of their own; what is older stays in the default one
AHEAD_DAYS = 7

PARTITIONED = f"""
ALTER TABLE {TABLE} RENAME TO {PLAIN};
CREATE TABLE {TABLE} (LIKE {PLAIN} INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING CONSTRAINTS)
    PARTITION BY RANGE (requested_at);
CREATE TABLE {TABLE}_default PARTITION OF {TABLE} DEFAULT;
"""
UNPARTITIONED = f"""
ALTER TABLE {TABLE} RENAME TO {PLAIN};
CREATE TABLE {TABLE} (LIKE {PLAIN} INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING CONSTRAINTS);
"""
MOVED = f"""
INSERT INTO {TABLE} OVERRIDING SYSTEM VALUE SELECT * FROM {PLAIN};
SELECT setval(pg_get_serial_sequence('{TABLE}', 'id'), (SELECT COALESCE(MAX(id), 0) + 1 FROM {PLAIN}), false);
DROP TABLE {PLAIN};
ALTER TABLE {TABLE} ADD CONSTRAINT serving_inferencerecord_serving_fk FOREIGN KEY (serving_id)
    REFERENCES serving_serving (id) DEFERRABLE INITIALLY DEFERRED;
"""
VALUES_INDEX = f"CREATE INDEX record_by_values ON {TABLE} USING gin (fields jsonb_path_ops)"


def partition(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(PARTITIONED)
        cursor.execute(
            f"SELECT DISTINCT (requested_at AT TIME ZONE 'UTC')::date FROM {PLAIN} ORDER BY 1 DESC LIMIT {MOST_DAYS}"
        )
        today = datetime.now(UTC).date()
        ahead = {today + timedelta(days=number) for number in range(-1, AHEAD_DAYS)}
        for day in sorted({row[0] for row in cursor.fetchall()} | ahead):
            cursor.execute(
                f"CREATE TABLE {TABLE}_{day:%Y%m%d} PARTITION OF {TABLE}"
                f" FOR VALUES FROM ('{day} 00:00+00') TO ('{day + timedelta(days=1)} 00:00+00')"
            )
        cursor.execute(MOVED)
        cursor.execute(f"ALTER TABLE {TABLE} ADD PRIMARY KEY (id, requested_at)")


def unpartition(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(UNPARTITIONED)
        cursor.execute(MOVED)
        cursor.execute(f"ALTER TABLE {TABLE} ADD PRIMARY KEY (id)")


def index_values(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(VALUES_INDEX)


def forget_values_index(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX record_by_values")


class Migration(migrations.Migration):
    dependencies = [("serving", "0006_inference_log")]

    operations = [
        migrations.RemoveConstraint(model_name="inferencerecord", name="inference_is_stored_once"),
        migrations.RemoveIndex(model_name="inferencerecord", name="serving_inf_serving_33b994_idx"),
        migrations.RemoveIndex(model_name="inferencerecord", name="serving_inf_request_593a93_idx"),
        migrations.RunPython(partition, unpartition),
        migrations.AddConstraint(
            model_name="inferencerecord",
            constraint=models.UniqueConstraint(
                fields=["serving", "replica", "requested_at", "request_id"], name="inference_is_stored_once"
            ),
        ),
        migrations.AddIndex(
            model_name="inferencerecord",
            index=models.Index(
                fields=["serving", "-requested_at", "-id", "status", "duration_us", "verb", "protocol"],
                name="record_by_time",
            ),
        ),
        migrations.AddIndex(
            model_name="inferencerecord",
            index=models.Index(
                condition=models.Q(("status__gte", 400)),
                fields=["serving", "status", "-requested_at", "-id"],
                name="record_by_failure",
            ),
        ),
        migrations.AddIndex(
            model_name="inferencerecord",
            index=models.Index(fields=["serving", "-duration_us"], name="record_by_duration"),
        ),
        migrations.AddIndex(
            model_name="inferencerecord",
            index=models.Index(
                fields=["serving", "revision", "-requested_at", "-id"], name="record_by_revision"
            ),
        ),
        migrations.AddIndex(
            model_name="inferencerecord",
            index=models.Index(fields=["serving", "key_id", "-requested_at", "-id"], name="record_by_key"),
        ),
        migrations.AddIndex(
            model_name="inferencerecord",
            index=models.Index(fields=["request_id"], name="record_by_request"),
        ),
        migrations.RunPython(index_values, forget_values_index),
    ]
