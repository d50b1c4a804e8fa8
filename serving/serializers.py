"""The JSON forms of servings and what belongs to them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from serving import addresses
from serving.models import (
    Batching,
    Preflight,
    Replica,
    Revision,
    Serving,
    ServingEvent,
)
from serving.models.preflights import CheckState
from serving.settings import replicas
from serving.states import Status


class ResourcesSerializer(serializers.Serializer[Any]):
    cores = serializers.FloatField(required=False)
    memory_mb = serializers.IntegerField(required=False)
    gpus = serializers.IntegerField(required=False)


class TransformerResourcesSerializer(serializers.Serializer[Any]):
    cores = serializers.FloatField(source="transformer_cores", required=False)
    memory_mb = serializers.IntegerField(source="transformer_memory_mb", required=False)


class BatchingSerializer(serializers.Serializer[Any]):
    """`enabled` is the older word for modes on and off; where both are given, `mode` counts."""

    mode = serializers.ChoiceField(choices=Batching.choices, required=False)
    enabled = serializers.BooleanField(required=False)
    max_batch_size = serializers.IntegerField(required=False)
    max_latency_ms = serializers.IntegerField(required=False)


class FailureSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    reason = serializers.CharField()
    evidence = serializers.CharField()
    attempt = serializers.IntegerField()


class CheckSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    title = serializers.CharField()
    state = serializers.ChoiceField(choices=CheckState.choices)
    sentence = serializers.CharField()
    code = serializers.CharField()
    evidence = serializers.CharField()
    seconds = serializers.FloatField(allow_null=True)


class PreflightSerializer(serializers.ModelSerializer[Preflight]):
    checks = CheckSerializer(many=True)

    class Meta:
        model = Preflight
        fields = ["id", "state", "checks", "started_at", "finished_at"]


class ConditionSerializer(serializers.Serializer[Any]):
    type = serializers.CharField()
    status = serializers.BooleanField(allow_null=True)
    reason = serializers.CharField()


class RevisionSerializer(serializers.ModelSerializer[Revision]):
    """A revision's snapshot; the same fields stand in its serving."""

    revision = serializers.IntegerField(source="number")
    model = serializers.CharField(source="model_version.model.name")
    model_version = serializers.IntegerField(source="model_version.number")
    artifact_version = serializers.CharField(source="artifact_label")
    artifact_digest = serializers.CharField(source="artifact.digest", allow_null=True, default=None)
    script = serializers.CharField(source="script_path")
    script_sha256 = serializers.CharField(source="script_id")
    transformer = serializers.SerializerMethodField()
    transformer_sha256 = serializers.CharField(source="transformer_id", allow_null=True, default=None)
    transformer_resources = TransformerResourcesSerializer(source="*")
    environment = serializers.CharField(source="environment.key", allow_null=True, default=None)
    resources = ResourcesSerializer(source="*")
    batching = serializers.SerializerMethodField()
    topic = serializers.SerializerMethodField()
    redaction = serializers.ListField(child=serializers.DictField(child=serializers.CharField()))
    env = serializers.DictField(source="variables", child=serializers.CharField())
    created_by = serializers.CharField(source="created_by.username", allow_null=True, default=None)

    class Meta:
        model = Revision
        fields = [
            "revision",
            "model",
            "model_version",
            "artifact_version",
            "artifact_digest",
            "script",
            "script_sha256",
            "alias",
            "transformer",
            "transformer_sha256",
            "transformer_placement",
            "transformer_replicas",
            "transformer_resources",
            "python",
            "requirements",
            "requirements_path",
            "environment",
            "replicas",
            "resources",
            "deployer",
            "batching",
            "max_concurrency",
            "class_name",
            "topic",
            "topic_partitions",
            "topic_replication",
            "inference_logging",
            "sampling_percent",
            "record_format",
            "redaction",
            "events_url",
            "input_topic",
            "output_topic",
            "env",
            "created_by",
            "created_at",
        ]

    @extend_schema_field(BatchingSerializer)
    def get_batching(self, revision: Revision) -> dict[str, Any]:
        return {
            "mode": revision.batching,
            "enabled": revision.batching != Batching.OFF,
            "max_batch_size": revision.max_batch_size,
            "max_latency_ms": revision.max_latency_ms,
        }

    def get_topic(self, revision: Revision) -> str | None:
        return revision.topic or None

    def get_transformer(self, revision: Revision) -> str | None:
        return revision.transformer_path or None


class CanarySerializer(serializers.Serializer[Serving]):
    """The revision beside the current one; `failure` is why it gets no requests any more."""

    revision = serializers.IntegerField(source="canary.number")
    percent = serializers.IntegerField(source="canary_percent")
    replicas = serializers.IntegerField(source="canary.replicas")
    replicas_ready = serializers.IntegerField(source="canary_ready")
    failure = FailureSerializer(source="canary_failure", allow_null=True)


class ServingSerializer(serializers.ModelSerializer[Serving]):
    """A serving: the wish, the verdict, and its current revision's settings."""

    project = serializers.CharField(source="project.name")
    status = serializers.ChoiceField(choices=[(status.value, status.value) for status in Status])
    condition = ConditionSerializer()
    failure = FailureSerializer(allow_null=True)
    preflight = serializers.SerializerMethodField()
    replicas_ready = serializers.IntegerField()
    replicas = serializers.SerializerMethodField()
    canary = serializers.SerializerMethodField()
    exemptions = serializers.ListField(child=serializers.CharField())
    created_by = serializers.CharField(source="created_by.username", allow_null=True, default=None)
    url = serializers.SerializerMethodField()
    direct_url = serializers.SerializerMethodField()

    class Meta:
        model = Serving
        fields = [
            "id",
            "name",
            "project",
            "description",
            "status",
            "condition",
            "failure",
            "preflight",
            "wanted_replicas",
            "replicas_ready",
            "replicas",
            "scale",
            "surge",
            "pace_seconds",
            "canary",
            "exemptions",
            "url",
            "direct_url",
            "port",
            "created_by",
            "created_at",
            "updated_at",
            "deployed_at",
        ]

    @extend_schema_field(PreflightSerializer(allow_null=True))
    def get_preflight(self, serving: Serving) -> dict[str, Any] | None:
        found = serving.current.preflight
        return dict(PreflightSerializer(found).data) if found else None

    def get_replicas(self, serving: Serving) -> int:
        """How many are to run when it runs, of its predictor."""
        return replicas(serving.current, serving.scale)

    @extend_schema_field(CanarySerializer(allow_null=True))
    def get_canary(self, serving: Serving) -> dict[str, Any] | None:
        return dict(CanarySerializer(serving).data) if serving.canary else None

    def get_url(self, serving: Serving) -> str:
        return addresses.path_url(serving)

    def get_direct_url(self, serving: Serving) -> str:
        return addresses.direct_url(serving)

    def to_representation(self, instance: Serving) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(instance)
        settings = dict(RevisionSerializer(instance.revision).data) if instance.revision else {}
        return {**settings, **shown}


class LogCountsSerializer(serializers.Serializer[Any]):
    """What became of a replica's inference records: sent, spilled and dropped so far, and waiting now."""

    sent = serializers.IntegerField(default=0)
    spilled = serializers.IntegerField(default=0)
    dropped = serializers.IntegerField(default=0)
    waiting = serializers.IntegerField(default=0)


class ReplicaSerializer(serializers.ModelSerializer[Replica]):
    log_counts = LogCountsSerializer()

    class Meta:
        model = Replica
        fields = [
            "name",
            "revision",
            "component",
            "slot",
            "attempt",
            "deployer",
            "state",
            "address",
            "place",
            "complaint",
            "log_counts",
            "exit",
            "started_at",
            "ready_at",
            "ended_at",
        ]


class EventSerializer(serializers.ModelSerializer[ServingEvent]):
    class Meta:
        model = ServingEvent
        fields = ["id", "actor", "kind", "status", "text", "detail", "created_at"]


class ReplicaLogSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    content = serializers.CharField()


class LogsSerializer(serializers.Serializer[Any]):
    replicas = ReplicaLogSerializer(many=True)
