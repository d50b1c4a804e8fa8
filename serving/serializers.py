"""The JSON forms of servings and what belongs to them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from serving import addresses
from serving.models import (
    Batching,
    InferenceLogging,
    InferenceRecord,
    Replica,
    Revision,
    Serving,
    ServingEvent,
)
from serving.settings import CREATE
from serving.states import Status


class ResourcesSerializer(serializers.Serializer[Any]):
    cores = serializers.FloatField(required=False)
    memory_mb = serializers.IntegerField(required=False)
    gpus = serializers.IntegerField(required=False)


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
    resources = ResourcesSerializer(source="*")
    batching = serializers.SerializerMethodField()
    topic = serializers.SerializerMethodField()
    env = serializers.DictField(source="environment", child=serializers.CharField())
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
            "replicas",
            "resources",
            "batching",
            "max_concurrency",
            "class_name",
            "topic",
            "inference_logging",
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


class ServingSerializer(serializers.ModelSerializer[Serving]):
    """A serving: the wish, the verdict, and its current revision's settings."""

    project = serializers.CharField(source="project.name")
    status = serializers.ChoiceField(choices=[(status.value, status.value) for status in Status])
    condition = ConditionSerializer()
    failure = FailureSerializer(allow_null=True)
    replicas_ready = serializers.IntegerField()
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
            "wanted_replicas",
            "replicas_ready",
            "url",
            "direct_url",
            "port",
            "created_by",
            "created_at",
            "updated_at",
            "deployed_at",
        ]

    def get_url(self, serving: Serving) -> str:
        return addresses.path_url(serving)

    def get_direct_url(self, serving: Serving) -> str:
        return addresses.direct_url(serving)

    def to_representation(self, instance: Serving) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(instance)
        settings = dict(RevisionSerializer(instance.revision).data) if instance.revision else {}
        return {**settings, **shown}


class SettingsSerializer(serializers.Serializer[Any]):
    """What a user asks for; `changes()` gives the given fields under the names of `serving.settings`."""

    name = serializers.CharField(max_length=256, required=False)
    script = serializers.CharField(max_length=500)
    model = serializers.CharField(max_length=100, required=False, allow_null=True)
    model_version = serializers.IntegerField(min_value=1, required=False, allow_null=True)
    artifact_version = serializers.JSONField(required=False, allow_null=True)
    replicas = serializers.IntegerField(required=False)
    resources = ResourcesSerializer(required=False, allow_null=True)
    batching = BatchingSerializer(required=False, allow_null=True)
    max_concurrency = serializers.IntegerField(required=False, allow_null=True)
    class_name = serializers.CharField(max_length=100, required=False, allow_blank=True, allow_null=True)
    topic = serializers.CharField(max_length=300, required=False, allow_null=True, default=CREATE)
    topic_partitions = serializers.IntegerField(required=False)
    topic_replication = serializers.IntegerField(required=False)
    inference_logging = serializers.ChoiceField(
        choices=InferenceLogging.choices, required=False, allow_null=True
    )
    env = serializers.DictField(
        child=serializers.CharField(allow_blank=True, trim_whitespace=False), required=False, allow_null=True
    )
    description = serializers.CharField(required=False, allow_blank=True, allow_null=True, max_length=10_000)
    expected_revision = serializers.IntegerField(required=False, allow_null=True)

    def validate_artifact_version(self, value: Any) -> str | int | None:
        if value is None or (isinstance(value, str | int) and not isinstance(value, bool)):
            return value
        raise serializers.ValidationError("Write CREATE, MODEL-ONLY or a number.")

    def changes(self) -> dict[str, Any]:
        """The settings that were given, flat; null means the default and is left out."""
        said = dict(self.validated_data)
        said.pop("expected_revision", None)
        said |= said.pop("resources", None) or {}
        batching = said.pop("batching", None) or {}
        flat = {
            **said,
            "environment": said.pop("env", None),
            "batching": _mode(batching),
            "max_batch_size": batching.get("max_batch_size"),
            "max_latency_ms": batching.get("max_latency_ms"),
            "topic": said.get("topic", CREATE) or "NONE",
        }
        if "topic" not in self.initial_data and self.partial:
            flat.pop("topic")
        return {name: value for name, value in flat.items() if value is not None and name != "env"}


class ReplicaSerializer(serializers.ModelSerializer[Replica]):
    class Meta:
        model = Replica
        fields = [
            "name",
            "revision",
            "slot",
            "attempt",
            "state",
            "address",
            "place",
            "complaint",
            "exit",
            "started_at",
            "ready_at",
            "ended_at",
        ]


class EventSerializer(serializers.ModelSerializer[ServingEvent]):
    class Meta:
        model = ServingEvent
        fields = ["id", "actor", "kind", "status", "text", "detail", "created_at"]


class InferenceRecordSerializer(serializers.ModelSerializer[InferenceRecord]):
    class Meta:
        model = InferenceRecord
        exclude = ["serving", "id"]


class ReplicaLogSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    content = serializers.CharField()


class LogsSerializer(serializers.Serializer[Any]):
    replicas = ReplicaLogSerializer(many=True)


def _mode(batching: dict[str, Any]) -> str | None:
    """What was asked for in either word, None if in neither."""
    if batching.get("mode"):
        return str(batching["mode"])
    if "enabled" in batching:
        return Batching.ON if batching["enabled"] else Batching.OFF
    return None
