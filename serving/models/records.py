"""Inference records, and how far the topics they come from are read."""

from django.db import models

from serving.models.servings import Serving


class InferenceRecord(models.Model):
    """One answered call, as the log consumer read it from the serving's topic."""

    request_id = models.CharField(max_length=128)
    serving = models.ForeignKey(Serving, models.CASCADE, related_name="inference_records")
    revision = models.PositiveIntegerField()
    replica = models.CharField(max_length=60)
    verb = models.CharField(max_length=100)
    status = models.PositiveIntegerField()
    requested_at = models.DateTimeField()
    duration_us = models.PositiveBigIntegerField()
    inputs = models.TextField(blank=True)
    outputs = models.TextField(blank=True)
    error = models.TextField(blank=True)
    key_id = models.CharField(max_length=12, blank=True)

    class Meta:
        ordering = ["-requested_at", "-id"]
        indexes = [models.Index(fields=["serving", "-requested_at"]), models.Index(fields=["request_id"])]
        constraints = [
            models.UniqueConstraint(
                fields=["serving", "replica", "request_id", "requested_at"], name="inference_is_stored_once"
            )
        ]

    def __str__(self) -> str:
        return self.request_id


class TopicOffset(models.Model):
    """How far the log consumer has read a file of a topic."""

    path = models.CharField(max_length=500, unique=True)
    position = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.path}@{self.position}"
