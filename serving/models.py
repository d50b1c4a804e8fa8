"""Servings, their immutable revisions, running replicas, events and inference records."""

import secrets
from functools import partial

from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.models import Project, User
from models_registry.models import Artifact, Blob, ModelVersion
from serving.states import Condition, ConditionType, ReplicaState, Status

serving_name = RegexValidator(
    r"^[a-zA-Z0-9]{1,256}\Z", "A serving name has 1 to 256 letters or digits, and nothing else."
)


class InferenceLogging(models.TextChoices):
    ALL = "ALL", "Inputs and predictions"
    MODEL_INPUTS = "MODEL_INPUTS", "Inputs only"
    PREDICTIONS = "PREDICTIONS", "Predictions only"
    NONE = "NONE", "Nothing"


class Batching(models.TextChoices):
    AUTO = "auto", "Automatic"
    ON = "on", "Always"
    OFF = "off", "Never"


class Serving(models.Model):
    """A wish (`wanted_replicas` of `revision`) and the last verdict on it.

    `generation` counts the wishes, so that a step that began before the newest one knows it.
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="servings")
    name = models.CharField(max_length=256, validators=[serving_name])
    description = models.TextField(blank=True)
    port = models.PositiveIntegerField(unique=True)
    gateway_token = models.CharField(max_length=64, default=partial(secrets.token_urlsafe, 32))
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    deployed_at = models.DateTimeField(null=True)

    revision = models.ForeignKey("Revision", models.SET_NULL, null=True, related_name="+")
    wanted_replicas = models.PositiveIntegerField(default=0)
    generation = models.PositiveIntegerField(default=1)
    is_deleted = models.BooleanField(default=False)

    status = models.CharField(max_length=10, choices=[(s, s) for s in Status], default=Status.CREATING)
    condition_type = models.CharField(max_length=12, default=ConditionType.STOPPED)
    condition_status = models.BooleanField(null=True)
    condition_reason = models.TextField(default="Building the artifact")
    failure = models.JSONField(null=True)
    has_given_up = models.BooleanField(default=False)
    setbacks = models.JSONField(default=dict)
    good_revision = models.PositiveIntegerField(null=True)
    was_ready = models.BooleanField(default=False)
    changed_at = models.DateTimeField(default=timezone.now)

    chain = models.CharField(max_length=32, blank=True)
    lease = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                "project",
                Lower("name"),
                condition=models.Q(is_deleted=False),
                name="serving_name_is_free",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def condition(self) -> Condition:
        return Condition(ConditionType(self.condition_type), self.condition_status, self.condition_reason)

    @property
    def current(self) -> "Revision":
        """The revision that is wanted; every serving has one from its creation to its deletion."""
        if self.revision is None:
            raise LookupError(f"{self} has no revision.")
        return self.revision

    @property
    def key(self) -> str:
        """The name deployers know it by: unique in the installation, for ever."""
        return f"{self.project.name}-{self.name[:40]}-{self.pk}".lower().replace("_", "-")


class Revision(models.Model):
    """A full snapshot of a serving's settings, numbered 1, 2, 3; never changed once its artifact is built."""

    serving = models.ForeignKey(Serving, models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    model_version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="revisions")
    artifact = models.ForeignKey(Artifact, models.PROTECT, null=True, related_name="+")
    script_path = models.CharField(max_length=500)
    script = models.ForeignKey(Blob, models.PROTECT)
    replicas = models.PositiveIntegerField(default=1)
    cores = models.FloatField(default=1.0)
    memory_mb = models.PositiveIntegerField(default=1024)
    gpus = models.PositiveIntegerField(default=0)
    class_name = models.CharField(max_length=100, blank=True)
    batching = models.CharField(max_length=4, choices=Batching.choices, default=Batching.AUTO)
    max_batch_size = models.PositiveIntegerField(default=64)
    max_latency_ms = models.PositiveIntegerField(default=0)
    max_concurrency = models.PositiveIntegerField(default=1)
    topic = models.CharField(max_length=300, blank=True)
    topic_partitions = models.PositiveIntegerField(default=1)
    topic_replication = models.PositiveIntegerField(default=1)
    inference_logging = models.CharField(
        max_length=12, choices=InferenceLogging.choices, default=InferenceLogging.ALL
    )
    environment = models.JSONField(default=dict)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["serving", "number"], name="revision_numbers_are_unique")
        ]

    def __str__(self) -> str:
        return f"{self.serving} revision {self.number}"

    @property
    def script_name(self) -> str:
        return self.script_path.rsplit("/", 1)[-1]

    @property
    def artifact_label(self) -> str:
        return "MODEL-ONLY" if self.artifact is None else self.artifact.label


class Replica(models.Model):
    """One running copy, or one that ran: `name` is unique within its serving for ever."""

    serving = models.ForeignKey(Serving, models.CASCADE, related_name="replicas")
    name = models.CharField(max_length=60)
    revision = models.PositiveIntegerField()
    slot = models.PositiveIntegerField()
    attempt = models.PositiveIntegerField()
    state = models.CharField(
        max_length=10, choices=[(s, s) for s in ReplicaState], default=ReplicaState.STARTING
    )
    address = models.CharField(max_length=200, blank=True)
    place = models.CharField(max_length=200, blank=True)
    complaint = models.TextField(blank=True)
    exit = models.TextField(blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    ready_at = models.DateTimeField(null=True)
    silent_since = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-revision", "slot", "-attempt"]
        constraints = [models.UniqueConstraint(fields=["serving", "name"], name="replica_names_are_unique")]
        indexes = [models.Index(fields=["serving", "state"])]

    def __str__(self) -> str:
        return self.name


class ServingEvent(models.Model):
    """A change of wish or of status, with who or what caused it."""

    serving = models.ForeignKey(Serving, models.CASCADE, related_name="events")
    actor = models.CharField(max_length=200)
    kind = models.CharField(max_length=30)
    status = models.CharField(max_length=10, blank=True)
    text = models.TextField()
    detail = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


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
