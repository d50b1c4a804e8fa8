"""The JSON forms of replays."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from serving.models import Replay, ReplayedCall
from serving.replays.services import DEFAULT_CALLS, DEFAULT_TOLERANCE
from serving.strict import StrictSerializer


class NewReplaySerializer(StrictSerializer):
    revision = serializers.IntegerField(min_value=1)
    selection = serializers.DictField(
        child=serializers.CharField(allow_blank=True),
        default=dict,
        help_text="filters of the inference records",
    )
    most = serializers.IntegerField(default=DEFAULT_CALLS)
    tolerance = serializers.FloatField(default=DEFAULT_TOLERANCE)


class PercentilesSerializer(serializers.Serializer[Any]):
    p50 = serializers.IntegerField(required=False)
    p95 = serializers.IntegerField(required=False)
    p99 = serializers.IntegerField(required=False)


class SummarySerializer(serializers.Serializer[Any]):
    """Times in microseconds: recorded by the replica then, seen by the one who asked now. Empty until the end."""

    calls = serializers.IntegerField(required=False)
    differing = serializers.IntegerField(required=False)
    failing = serializers.IntegerField(required=False)
    largest_change = serializers.FloatField(required=False, allow_null=True)
    old_us = PercentilesSerializer(required=False)
    new_us = PercentilesSerializer(required=False)


class ReplayFailureSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    reason = serializers.CharField()
    evidence = serializers.CharField()


class ReplaySerializer(serializers.ModelSerializer[Replay]):
    created_by = serializers.CharField(source="created_by.username", allow_null=True, default=None)
    selection = serializers.DictField(child=serializers.CharField())
    skipped = serializers.DictField(child=serializers.IntegerField(), help_text="how many, by the reason")
    failure = ReplayFailureSerializer(allow_null=True)
    summary = serializers.SerializerMethodField()

    class Meta:
        model = Replay
        fields = [
            "id",
            "revision",
            "selection",
            "most",
            "tolerance",
            "state",
            "step",
            "failure",
            "total",
            "asked",
            "differing",
            "skipped",
            "summary",
            "created_by",
            "created_at",
            "started_at",
            "finished_at",
        ]

    @extend_schema_field(SummarySerializer)
    def get_summary(self, replay: Replay) -> dict[str, Any]:
        return dict(replay.summary)


class ReplayedCallSerializer(serializers.ModelSerializer[ReplayedCall]):
    class Meta:
        model = ReplayedCall
        fields = [
            "request_id",
            "requested_at",
            "revision",
            "verb",
            "inputs",
            "status",
            "outputs",
            "duration_us",
            "new_status",
            "new_outputs",
            "new_duration_us",
            "differs",
            "difference",
            "largest_change",
        ]
