"""Revisions: the immutable settings of a serving."""

from django.db import models
from django.utils import timezone

from accounts.models import User
from models_registry.models import Artifact, Blob, ModelVersion
from serving.models.environments import Environment, Resolution
from serving.models.preflights import Preflight
from serving.models.servings import Serving


class InferenceLogging(models.TextChoices):
    ALL = "ALL", "Inputs and predictions"
    MODEL_INPUTS = "MODEL_INPUTS", "Inputs only"
    PREDICTIONS = "PREDICTIONS", "Predictions only"
    NONE = "NONE", "Nothing"


class RecordFormat(models.TextChoices):
    """What a record of a call looks like in the topic."""

    AVRO = "avro", "Inference records (Avro)"
    MLRUN = "mlrun", "MLRun's records (JSON)"


class Batching(models.TextChoices):
    AUTO = "auto", "Automatic"
    ON = "on", "Always"
    OFF = "off", "Never"


class Deployer(models.TextChoices):
    """Where replicas run; empty is the installation's own choice."""

    LOCAL = "local", "Processes of this machine"
    DOCKER = "docker", "Containers of one Docker engine"
    SWARM = "swarm", "Services of a Docker Swarm"


class Placement(models.TextChoices):
    """Where a transformer runs."""

    SEPARATE = "separate", "In replicas of its own"
    INLINE = "inline", "In the predictor's process"


class Revision(models.Model):
    """A full snapshot of a serving's settings, numbered 1, 2, 3; never changed once its environment is built.

    `requirements` are what was asked for, typed or taken from the file at `requirements_path`, and empty for the
    platform's own packages; `resolution` and `environment` are what came of it. `preflight` is the check of this
    snapshot, and `overridden_by` who runs it although that is red. `exemptions` are those its serving had when it was
    made: its containers keep them, whatever the serving has by now.

    Of every hundred calls `sampling_percent` are recorded in `topic`, after `redaction`: rules {"field": path} or
    {"pattern": regular expression}, each with "in" (inputs, outputs or both) and "action" (remove, mask or hash).
    `events_url` gets them as CloudEvents too. Requests from `input_topic` are answered into `output_topic`.
    """

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
    deployer = models.CharField(max_length=12, choices=Deployer.choices, blank=True)
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
    sampling_percent = models.FloatField(default=100.0)
    record_format = models.CharField(max_length=5, choices=RecordFormat.choices, default=RecordFormat.AVRO)
    redaction = models.JSONField(default=list)
    events_url = models.CharField(max_length=500, blank=True)
    input_topic = models.CharField(max_length=249, blank=True)
    output_topic = models.CharField(max_length=249, blank=True)
    variables = models.JSONField(default=dict)
    exemptions = models.JSONField(default=list)

    alias = models.CharField(max_length=50, blank=True)
    python = models.CharField(max_length=10, blank=True)
    requirements = models.TextField(blank=True)
    requirements_path = models.CharField(max_length=500, blank=True)
    resolution = models.ForeignKey(Resolution, models.PROTECT, null=True, related_name="revisions")
    environment = models.ForeignKey(Environment, models.PROTECT, null=True, related_name="revisions")

    transformer_path = models.CharField(max_length=500, blank=True)
    transformer = models.ForeignKey(Blob, models.PROTECT, null=True, related_name="transforming_revisions")
    transformer_placement = models.CharField(
        max_length=8, choices=Placement.choices, default=Placement.SEPARATE
    )
    transformer_replicas = models.PositiveIntegerField(default=1)
    transformer_cores = models.FloatField(default=1.0)
    transformer_memory_mb = models.PositiveIntegerField(default=512)

    preflight = models.ForeignKey(Preflight, models.SET_NULL, null=True, related_name="revisions")
    overridden_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")

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
    def transformer_name(self) -> str:
        return self.transformer_path.rsplit("/", 1)[-1]

    @property
    def is_red(self) -> bool:
        """Whether its pre-flight is red and nobody has overridden that."""
        return self.preflight is not None and self.preflight.is_red and self.overridden_by_id is None

    @property
    def is_refused(self) -> bool:
        """Whether that keeps it from being started; what was red for a cause from outside is checked anew then."""
        return self.is_red and self.preflight is not None and not self.preflight.may_pass_by_itself

    @property
    def has_separate_transformer(self) -> bool:
        return self.transformer_id is not None and self.transformer_placement == Placement.SEPARATE

    @property
    def own_transformers(self) -> int:
        """How many replicas run nothing but its transformer."""
        return self.transformer_replicas if self.has_separate_transformer else 0

    @property
    def artifact_label(self) -> str:
        return "MODEL-ONLY" if self.artifact is None else self.artifact.label
