"""The JSON form of the settings that a user asks for."""

from typing import Any

from rest_framework import serializers

from serving.models import Batching, Deployer, InferenceLogging, Placement, RecordFormat
from serving.serializers import BatchingSerializer, ResourcesSerializer, TransformerResourcesSerializer
from serving.settings import CREATE
from serving.strict import StrictSerializer

CLEARED = ("transformer", "alias", "deployer", "events_url", "input_topic", "output_topic")

RULE = {"in": "both", "action": "mask"}
"""What a rule of redaction says where it says nothing else."""


class RuleSerializer(StrictSerializer):
    """What is left out of records: a `field` by its path or what a `pattern` finds, `in` inputs, outputs or both."""

    field = serializers.CharField(max_length=500, required=False)
    pattern = serializers.CharField(max_length=500, required=False, trim_whitespace=False)
    action = serializers.CharField(max_length=20, required=False)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`in` is a word of Python's."""
        return super().get_fields() | {"in": serializers.CharField(max_length=20, required=False)}


class SettingsSerializer(StrictSerializer):
    """What a user asks for; `changes()` gives the given fields under the names of `serving.settings`."""

    name = serializers.CharField(max_length=256, required=False)
    script = serializers.CharField(max_length=500)
    model = serializers.CharField(max_length=100, required=False, allow_null=True)
    model_version = serializers.IntegerField(min_value=1, required=False, allow_null=True)
    artifact_version = serializers.JSONField(required=False, allow_null=True)
    alias = serializers.CharField(max_length=50, required=False, allow_blank=True, allow_null=True)
    transformer = serializers.CharField(max_length=500, required=False, allow_blank=True, allow_null=True)
    transformer_placement = serializers.ChoiceField(
        choices=Placement.choices, required=False, allow_null=True
    )
    transformer_replicas = serializers.IntegerField(required=False, allow_null=True)
    transformer_resources = TransformerResourcesSerializer(required=False, allow_null=True)
    python = serializers.CharField(max_length=10, required=False, allow_blank=True, allow_null=True)
    requirements = serializers.CharField(
        max_length=65_536, required=False, allow_blank=True, allow_null=True, trim_whitespace=False
    )
    replicas = serializers.IntegerField(required=False)
    resources = ResourcesSerializer(required=False, allow_null=True)
    deployer = serializers.ChoiceField(
        choices=Deployer.choices, required=False, allow_blank=True, allow_null=True
    )
    batching = BatchingSerializer(required=False, allow_null=True)
    max_concurrency = serializers.IntegerField(required=False, allow_null=True)
    class_name = serializers.CharField(max_length=100, required=False, allow_blank=True, allow_null=True)
    topic = serializers.CharField(max_length=300, required=False, allow_null=True, default=CREATE)
    topic_partitions = serializers.IntegerField(required=False)
    topic_replication = serializers.IntegerField(required=False)
    inference_logging = serializers.ChoiceField(
        choices=InferenceLogging.choices, required=False, allow_null=True
    )
    sampling_percent = serializers.FloatField(required=False, allow_null=True)
    record_format = serializers.ChoiceField(choices=RecordFormat.choices, required=False, allow_null=True)
    redaction = serializers.ListField(child=RuleSerializer(), required=False, allow_null=True)
    events_url = serializers.CharField(max_length=500, required=False, allow_blank=True, allow_null=True)
    input_topic = serializers.CharField(max_length=249, required=False, allow_blank=True, allow_null=True)
    output_topic = serializers.CharField(max_length=249, required=False, allow_blank=True, allow_null=True)
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
        said |= said.pop("transformer_resources", None) or {}
        batching = said.pop("batching", None) or {}
        flat = {
            **said,
            "variables": said.pop("env", None),
            "batching": _mode(batching),
            "max_batch_size": batching.get("max_batch_size"),
            "max_latency_ms": batching.get("max_latency_ms"),
            "topic": said.get("topic", CREATE) or "NONE",
        }
        if "topic" not in self.initial_data and self.partial:
            flat.pop("topic")
        flat |= {name: "" for name in CLEARED if name in said and said[name] is None}
        if "redaction" in said:
            flat["redaction"] = [RULE | rule for rule in said["redaction"] or []]
        return {name: value for name, value in flat.items() if value is not None and name != "env"}


class CanarySettingsSerializer(SettingsSerializer):
    """The settings of a canary, of which only those are given that differ, and its part of the requests."""

    percent = serializers.IntegerField()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "percent" not in attrs:
            raise serializers.ValidationError({"percent": ["Say how many percent of the requests it gets."]})
        return attrs

    def changes(self) -> dict[str, Any]:
        return {name: value for name, value in super().changes().items() if name != "percent"}


def _mode(batching: dict[str, Any]) -> str | None:
    """What was asked for in either word, None if in neither."""
    if batching.get("mode"):
        return str(batching["mode"])
    if "enabled" in batching:
        return Batching.ON if batching["enabled"] else Batching.OFF
    return None
