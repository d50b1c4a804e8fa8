"""Images: a Python environment as container engines run it."""

from django.db import models
from django.utils import timezone

from serving.models.environments import Environment


class Image(models.Model):
    """An environment on one base, built once for everybody; `base` is the digest of what the base is made of, and
    `reference` the image's name at the engine.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        BUILDING = "building", "Building"
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"
        GONE = "gone", "Removed"

    environment = models.ForeignKey(Environment, models.CASCADE, related_name="images")
    base = models.CharField(max_length=64)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    reference = models.CharField(max_length=300, blank=True)
    image_id = models.CharField(max_length=100, blank=True)
    size_bytes = models.BigIntegerField(null=True)
    log = models.TextField(blank=True)
    failure = models.JSONField(null=True)
    built_at = models.DateTimeField(null=True)
    build_seconds = models.FloatField(null=True)
    used_at = models.DateTimeField(default=timezone.now)
    lease = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-used_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["environment", "base"], name="one_image_per_environment_and_base")
        ]

    def __str__(self) -> str:
        return self.reference or f"image of {self.environment}"
