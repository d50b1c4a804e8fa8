"""The JSON forms of models, versions and files."""

from typing import Any

from rest_framework import serializers

from models_registry import queries
from models_registry.models import ModelVersion, ProjectFile, RegisteredModel


class FileSerializer(serializers.ModelSerializer[ProjectFile]):
    """`path` is relative to the version's folder, or the project's for a free file."""

    size = serializers.IntegerField(source="blob.size", read_only=True)
    sha256 = serializers.CharField(source="blob_id", read_only=True)

    class Meta:
        model = ProjectFile
        fields = ["path", "size", "sha256", "updated_at"]


class VersionSummarySerializer(serializers.ModelSerializer[ModelVersion]):
    model = serializers.CharField(source="model.name")
    version = serializers.IntegerField(source="number")
    size = serializers.IntegerField(help_text="bytes of all files")
    created_by = serializers.CharField(source="created_by.username", allow_null=True, default=None)
    metrics = serializers.DictField()

    class Meta:
        model = ModelVersion
        fields = [
            "model",
            "version",
            "description",
            "framework",
            "metrics",
            "size",
            "created_by",
            "created_at",
        ]


class VersionSerializer(VersionSummarySerializer):
    files = serializers.SerializerMethodField()
    servings = serializers.SerializerMethodField()

    class Meta(VersionSummarySerializer.Meta):
        fields = [*VersionSummarySerializer.Meta.fields, "files", "servings"]

    def get_files(self, version: ModelVersion) -> list[dict[str, Any]]:
        files = version.files.select_related("blob").order_by("path")
        return [dict(each) for each in FileSerializer(files, many=True).data]

    def get_servings(self, version: ModelVersion) -> list[str]:
        return queries.servings_using(version)


class ModelSummarySerializer(serializers.ModelSerializer[RegisteredModel]):
    latest = serializers.IntegerField(help_text="the highest version number")
    version_count = serializers.IntegerField()

    class Meta:
        model = RegisteredModel
        fields = ["name", "latest", "version_count", "created_at"]


class ModelSerializer(ModelSummarySerializer):
    versions = serializers.SerializerMethodField()

    class Meta(ModelSummarySerializer.Meta):
        fields = [*ModelSummarySerializer.Meta.fields, "versions"]

    def get_versions(self, model: RegisteredModel) -> list[dict[str, Any]]:
        return [dict(each) for each in VersionSummarySerializer(queries.versions(model), many=True).data]


LARGEST = 1.7e308


class MetricsField(serializers.DictField):
    """Numbers or texts by name."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        metrics = super().to_internal_value(data)
        for name, value in metrics.items():
            if isinstance(value, bool) or not isinstance(value, int | float | str):
                raise serializers.ValidationError(f"The metric {name} must be a number or a text.")
            if not isinstance(value, str) and abs(value) > LARGEST:
                raise serializers.ValidationError(f"The metric {name} is too large a number.")
        return metrics


class NewUploadSerializer(serializers.Serializer[ModelVersion]):
    version = serializers.IntegerField(min_value=1, max_value=999_999_999, required=False, allow_null=True)
    overwrite = serializers.BooleanField(default=False)
    description = serializers.CharField(
        required=False, default="", allow_blank=True, allow_null=True, max_length=10_000
    )
    framework = serializers.CharField(
        required=False, default="", allow_blank=True, allow_null=True, max_length=50
    )
    metrics = MetricsField(required=False, allow_null=True)


class UploadSerializer(serializers.ModelSerializer[ModelVersion]):
    id = serializers.UUIDField(source="upload")
    model = serializers.CharField(source="model.name")
    version = serializers.IntegerField(source="number", allow_null=True)

    class Meta:
        model = ModelVersion
        fields = ["id", "model", "version"]


class CopySerializer(serializers.Serializer[object]):
    source = serializers.CharField(max_length=500, help_text="a file or folder such as Resources/iris")  # type: ignore[assignment]
