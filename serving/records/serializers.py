"""The JSON forms of inference records, pages of them and their chart."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from serving.models import InferenceRecord
from serving.records.charts import Chart, Piece


class InferenceRecordSerializer(serializers.ModelSerializer[InferenceRecord]):
    class Meta:
        model = InferenceRecord
        exclude = ["serving", "fields"]


class InferenceRecordPageSerializer(serializers.Serializer[Any]):
    """`next` is where older calls are, null at the end. A page may be short, or empty, before the end: where searching
    took long `searched_to` says how far back it came.
    """

    next = serializers.URLField(allow_null=True)
    searched_to = serializers.DateTimeField(allow_null=True)
    items = InferenceRecordSerializer(many=True)


class PieceSerializer(serializers.Serializer[Piece]):
    """Calls by class of status and milliseconds by percentile, null without calls."""

    start = serializers.DateTimeField()
    calls = serializers.IntegerField()
    classes = serializers.DictField(child=serializers.IntegerField())
    latency_ms = serializers.SerializerMethodField()

    @extend_schema_field(serializers.DictField(child=serializers.FloatField(allow_null=True)))
    def get_latency_ms(self, piece: Piece) -> dict[str, float | None]:
        return {
            f"p{percent}": None if found is None else round(found, 3)
            for percent, found in piece.latency_ms.items()
        }


class ChartSerializer(serializers.Serializer[Chart]):
    """Pieces of time of `width_seconds`, none left out; `whole` is all of them together, null without calls."""

    width_seconds = serializers.IntegerField()
    calls = serializers.IntegerField()
    whole = PieceSerializer(allow_null=True)
    pieces = PieceSerializer(many=True)
