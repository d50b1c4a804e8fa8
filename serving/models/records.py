"""Inference records: the window of the topics that is kept in the database."""

from django.db import models

from serving.models.servings import Serving


class InferenceRecord(models.Model):
    """One answered call, as the log consumer read it from the serving's topic.

    Times ending in `_us` are microseconds, null where they were not measured. A body that was not kept is empty; its
    size, and its sha256 if it was too large or no JSON, stand for it. `fields` are the values to filter by:
    {"in": {name: [values]}, "out": {name: [values]}}, the name of an unnamed column being its number and that of an
    unnamed value empty. On PostgreSQL the consumer adds "bins", by which its index finds ranges of numbers
    (`serving.records.bins`).

    On PostgreSQL the table is partitioned by days of `requested_at` (`worker.consuming.partitions`), which is why
    every unique key has it; migration 0007 makes it so, and the index of the values by which `fields` are found.
    """

    request_id = models.CharField(max_length=128)
    serving = models.ForeignKey(Serving, models.CASCADE, related_name="inference_records")
    topic = models.CharField(max_length=249, blank=True)
    revision = models.PositiveIntegerField()
    replica = models.CharField(max_length=60)
    model_version = models.PositiveIntegerField(default=0)
    protocol = models.CharField(max_length=20, blank=True)
    verb = models.CharField(max_length=100)
    status = models.PositiveIntegerField()
    requested_at = models.DateTimeField()
    duration_us = models.PositiveBigIntegerField()
    queue_us = models.PositiveBigIntegerField(null=True)
    preprocess_us = models.PositiveBigIntegerField(null=True)
    predict_us = models.PositiveBigIntegerField(null=True)
    postprocess_us = models.PositiveBigIntegerField(null=True)
    inputs = models.TextField(blank=True)
    inputs_bytes = models.PositiveBigIntegerField(default=0)
    inputs_sha256 = models.CharField(max_length=64, blank=True)
    outputs = models.TextField(blank=True)
    outputs_bytes = models.PositiveBigIntegerField(default=0)
    outputs_sha256 = models.CharField(max_length=64, blank=True)
    fields = models.JSONField(default=dict)
    error = models.TextField(blank=True)
    key_id = models.CharField(max_length=12, blank=True)
    sampling_percent = models.FloatField(default=100.0)

    class Meta:
        ordering = ["-requested_at", "-id"]
        indexes = [
            # What is rare among these is looked for within the index, without a look at the rows.
            models.Index(
                fields=["serving", "-requested_at", "-id", "status", "duration_us", "verb", "protocol"],
                name="record_by_time",
            ),
            models.Index(
                fields=["serving", "status", "-requested_at", "-id"],
                condition=models.Q(status__gte=400),
                name="record_by_failure",
            ),
            models.Index(fields=["serving", "-duration_us"], name="record_by_duration"),
            models.Index(fields=["serving", "revision", "-requested_at", "-id"], name="record_by_revision"),
            models.Index(fields=["serving", "key_id", "-requested_at", "-id"], name="record_by_key"),
            models.Index(fields=["request_id"], name="record_by_request"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["serving", "replica", "requested_at", "request_id"], name="inference_is_stored_once"
            )
        ]

    def __str__(self) -> str:
        return self.request_id
