"""Python environments: what was asked for, the lock it resolved to, and what is built of it."""

from django.db import models
from django.utils import timezone


class Interpreter(models.Model):
    """A Python of the host, as the worker last saw it."""

    version = models.CharField(max_length=10, unique=True)
    full_version = models.CharField(max_length=30)
    path = models.CharField(max_length=500)
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"Python {self.full_version}"


class Environment(models.Model):
    """A lock for one Python, built once for everybody; `key` is the sha256 of both.

    `seal` is the sha256 over all its files. An empty `lock` is an interpreter of the administrator's own.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        BUILDING = "building", "Building"
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"
        GONE = "gone", "Removed"

    key = models.CharField(max_length=64, unique=True)
    python = models.CharField(max_length=10)
    lock = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    path = models.CharField(max_length=500, blank=True)
    size_bytes = models.BigIntegerField(null=True)
    package_count = models.PositiveIntegerField(null=True)
    log = models.TextField(blank=True)
    failure = models.JSONField(null=True)
    seal = models.CharField(max_length=64, blank=True)
    verified_at = models.DateTimeField(null=True)
    built_at = models.DateTimeField(null=True)
    build_seconds = models.FloatField(null=True)
    used_at = models.DateTimeField(default=timezone.now)
    lease = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-used_at", "id"]

    def __str__(self) -> str:
        return f"{self.key[:12]} (Python {self.python})"


class Resolution(models.Model):
    """What a requirements text means for one Python: resolved once, the same lock for everybody who asks again."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RESOLVING = "resolving", "Resolving"
        DONE = "done", "Resolved"
        FAILED = "failed", "Failed"

    digest = models.CharField(max_length=64, unique=True)
    python = models.CharField(max_length=10)
    requirements = models.TextField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    environment = models.ForeignKey(Environment, models.PROTECT, null=True, related_name="resolutions")
    log = models.TextField(blank=True)
    failure = models.JSONField(null=True)
    lease = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.digest[:12]
