"""Replays: recorded calls asked again of another revision."""

from django.db import models
from django.utils import timezone

from accounts.models import User
from serving.models.servings import Serving


class Replay(models.Model):
    """A selection of a serving's records, asked again of `revision` in a throw-away replica.

    `selection` are the filters of the explorer. `failure` is {code, reason, evidence} if it came to nothing; `skipped`
    counts by reason the records that could not be asked again.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    serving = models.ForeignKey(Serving, models.CASCADE, related_name="replays")
    revision = models.PositiveIntegerField()
    selection = models.JSONField(default=dict)
    most = models.PositiveIntegerField(default=1000)
    tolerance = models.FloatField(default=1e-6)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    step = models.CharField(max_length=300, blank=True)
    failure = models.JSONField(null=True)
    total = models.PositiveIntegerField(default=0)
    asked = models.PositiveIntegerField(default=0)
    differing = models.PositiveIntegerField(default=0)
    skipped = models.JSONField(default=dict)
    summary = models.JSONField(default=dict)
    chain = models.CharField(max_length=32, blank=True)
    lease = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"replay {self.pk}: {self.state}"

    @property
    def key(self) -> str:
        """The name deployers know its replica by."""
        return f"replay-{self.pk}"

    @property
    def is_finished(self) -> bool:
        return self.state in {self.State.DONE, self.State.FAILED}


class ReplayedCall(models.Model):
    """One record asked again: what was answered then, and what now; `difference` says in words where they differ.

    `new_status` is 0 until it was asked.
    """

    replay = models.ForeignKey(Replay, models.CASCADE, related_name="calls")
    request_id = models.CharField(max_length=128)
    requested_at = models.DateTimeField()
    revision = models.PositiveIntegerField()
    protocol = models.CharField(max_length=20, blank=True)
    verb = models.CharField(max_length=100)
    inputs = models.TextField()
    status = models.PositiveIntegerField()
    outputs = models.TextField(blank=True)
    duration_us = models.PositiveBigIntegerField()
    new_status = models.PositiveIntegerField()
    new_outputs = models.TextField(blank=True)
    new_duration_us = models.PositiveBigIntegerField()
    differs = models.BooleanField()
    difference = models.TextField(blank=True)
    largest_change = models.FloatField(null=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.request_id
