"""The JSON form of a comparison of two versions."""

from typing import Any

from rest_framework import serializers

from models_registry.versions.comparing import TextDiff


class ChangeSerializer(serializers.Serializer[object]):
    name = serializers.CharField()
    state = serializers.CharField(help_text="same, changed, added or removed")
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)


class MetricChangeSerializer(ChangeSerializer):
    difference = serializers.FloatField(allow_null=True, help_text="after minus before, of two numbers")


class FileFactsSerializer(serializers.Serializer[object]):
    size = serializers.IntegerField()
    sha256 = serializers.CharField()


class FileChangeSerializer(serializers.Serializer[object]):
    path = serializers.CharField()
    state = serializers.CharField(help_text="same, changed, added or removed")
    before = FileFactsSerializer(allow_null=True)
    after = FileFactsSerializer(allow_null=True)


class TextDiffSerializer(serializers.Serializer[object]):
    unified = serializers.CharField(help_text="as `diff -u` writes it, without the two head lines")
    added = serializers.IntegerField(help_text="lines")
    removed = serializers.IntegerField(help_text="lines")
    reason = serializers.CharField(help_text="why lines are left out, if some are")


class ComparisonSerializer(serializers.Serializer[object]):
    """From version `a` to version `b`; `packages` lists only what differs, `diffs` the changed text files."""

    a = serializers.IntegerField(source="a.number")
    b = serializers.IntegerField(source="b.number")
    metrics = MetricChangeSerializer(many=True)
    about = ChangeSerializer(many=True)
    tags = ChangeSerializer(many=True)
    provenance = ChangeSerializer(many=True)
    packages = ChangeSerializer(many=True)
    files = FileChangeSerializer(many=True)
    schema = TextDiffSerializer()
    diffs = serializers.SerializerMethodField(help_text="differences of text files by path")

    def get_diffs(self, found: Any) -> dict[str, Any]:
        diffs: dict[str, TextDiff] = found.diffs
        return {path: TextDiffSerializer(diff).data for path, diff in diffs.items()}
