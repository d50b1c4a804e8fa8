"""Topics, and what was found in them that is nobody's record."""

from django.db import models
from django.utils import timezone

from accounts.models import Project, User


class Topic(models.Model):
    """Where messages go, by the name it has in the broker, unique in the installation.

    `subject` says what its messages are: `inferenceschema` with a `schema_version`, `mlrunrecord`, a subject of the
    project's own with its `schema`, or empty for messages of any form. `state` and `problem` are how its making goes;
    `is_deleted` is the wish that it and its messages go. `is_ours` says that this installation made it in the broker,
    or was about to: one that was there before stays there.

    `described` is what the broker last said: {"partitions": [{"id": text, "first": int, "next": int, "bytes": int,
    "replicas": int, "in_sync": int}], "bytes": int, "messages": int}, and `consumed` how its records went into the
    database: {"stored": int, "skipped": int, "lag": int}.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Not made yet"
        READY = "ready", "Ready"
        FAILED = "failed", "Cannot be made"

    project = models.ForeignKey(Project, models.CASCADE, related_name="topics")
    name = models.CharField(max_length=249, unique=True)
    subject = models.CharField(max_length=249, blank=True)
    schema_version = models.PositiveIntegerField(null=True)
    schema = models.TextField(blank=True)
    partitions = models.PositiveIntegerField(default=1)
    replication = models.PositiveIntegerField(default=1)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    problem = models.TextField(blank=True)
    is_deleted = models.BooleanField(default=False)
    is_ours = models.BooleanField(default=False)
    described = models.JSONField(default=dict)
    described_at = models.DateTimeField(null=True)
    consumed = models.JSONField(default=dict)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def stays(self) -> bool:
        """Whether the broker keeps it with its messages when it is deleted here."""
        return self.state == self.State.READY and not self.is_ours


class DeadLetter(models.Model):
    """A message that could not be used: the first bytes of it, where it was, and why."""

    topic = models.ForeignKey(Topic, models.CASCADE, related_name="dead_letters")
    partition = models.CharField(max_length=300)
    offset = models.BigIntegerField()
    reason = models.TextField()
    value = models.BinaryField()
    size = models.PositiveBigIntegerField()
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["topic", "partition", "offset"], name="dead_letter_is_kept_once")
        ]

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"


class TopicOffset(models.Model):
    """How far a group of readers has read a file of a topic, of those that are kept in files."""

    group = models.CharField(max_length=100, default="records")
    path = models.CharField(max_length=500)
    position = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["group", "path"], name="file_has_one_offset_a_group")]

    def __str__(self) -> str:
        return f"{self.group}: {self.path}@{self.position}"
