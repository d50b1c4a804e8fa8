"""The JSON forms of models, versions and files."""

from typing import Any, cast

from rest_framework import serializers

from models_registry import queries
from models_registry.errors import RegistryError
from models_registry.models import Alias, ModelVersion, ProjectFile, RegisteredModel
from models_registry.safety.serializers import brief
from models_registry.versions import describing, metrics, schema
from models_registry.versions.describing import Changes, Said


class FileSerializer(serializers.ModelSerializer[ProjectFile]):
    """`path` is relative to the version's folder, or the project's for a free file."""

    size = serializers.IntegerField(source="blob.size", read_only=True)
    sha256 = serializers.CharField(source="blob_id", read_only=True)
    safety = serializers.SerializerMethodField(help_text="state, verdict and kind of the file's report")

    class Meta:
        model = ProjectFile
        fields = ["path", "size", "sha256", "updated_at", "safety"]

    def get_safety(self, file: ProjectFile) -> dict[str, str]:
        return brief(getattr(file.blob, "report", None))


class VersionSummarySerializer(serializers.ModelSerializer[ModelVersion]):
    model = serializers.CharField(source="model.name")
    version = serializers.IntegerField(source="number")
    size = serializers.IntegerField(help_text="bytes of all files")
    created_by = serializers.CharField(source="created_by.username", allow_null=True, default=None)
    metrics = serializers.DictField()
    tags = serializers.DictField(help_text="JSON values by name")
    aliases = serializers.SerializerMethodField(help_text="names that stand for this version now")

    class Meta:
        model = ModelVersion
        fields = [
            "model",
            "version",
            "description",
            "framework",
            "metrics",
            "tags",
            "aliases",
            "size",
            "created_by",
            "created_at",
        ]

    def get_aliases(self, version: ModelVersion) -> list[str]:
        return sorted(alias.name for alias in version.aliases.all())


class VersionSerializer(VersionSummarySerializer):
    """`input_example` and `model_schema` are the files of these names, null when absent or unreadable."""

    provenance = serializers.DictField(help_text="who exported it, with what")
    packages = serializers.DictField(
        child=serializers.CharField(), help_text="versions of the packages it was trained with"
    )
    input_example = serializers.SerializerMethodField()
    model_schema = serializers.SerializerMethodField()
    files = serializers.SerializerMethodField()
    servings = serializers.SerializerMethodField()

    class Meta(VersionSummarySerializer.Meta):
        fields = [
            *VersionSummarySerializer.Meta.fields,
            "provenance",
            "packages",
            "input_example",
            "model_schema",
            "files",
            "servings",
        ]

    def get_input_example(self, version: ModelVersion) -> Any:
        found = schema.example(version)
        return found.value if found else None

    def get_model_schema(self, version: ModelVersion) -> dict[str, Any] | None:
        found = schema.schema(version)
        return found.value if found and isinstance(found.value, dict) else None

    def get_files(self, version: ModelVersion) -> list[dict[str, Any]]:
        files = version.files.select_related("blob__report").order_by("path")
        return [dict(each) for each in FileSerializer(files, many=True).data]

    def get_servings(self, version: ModelVersion) -> list[str]:
        return queries.servings_using(version)


class ModelSummarySerializer(serializers.ModelSerializer[RegisteredModel]):
    latest = serializers.IntegerField(help_text="the highest version number")
    version_count = serializers.IntegerField()

    class Meta:
        model = RegisteredModel
        fields = ["name", "latest", "version_count", "created_at"]


class AliasSerializer(serializers.ModelSerializer[Alias]):
    version = serializers.IntegerField(source="version.number")
    set_by = serializers.CharField(source="set_by.username", allow_null=True, default=None)

    class Meta:
        model = Alias
        fields = ["name", "version", "set_by", "set_at"]


class ModelSerializer(ModelSummarySerializer):
    aliases = AliasSerializer(many=True)
    versions = serializers.SerializerMethodField()

    class Meta(ModelSummarySerializer.Meta):
        fields = [*ModelSummarySerializer.Meta.fields, "aliases", "versions"]

    def get_versions(self, model: RegisteredModel) -> list[dict[str, Any]]:
        return [dict(each) for each in VersionSummarySerializer(queries.versions(model), many=True).data]


class MetricsField(serializers.DictField):
    """Numbers or texts by name."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        try:
            return metrics.checked(super().to_internal_value(data))
        except RegistryError as error:
            raise serializers.ValidationError(str(error)) from None


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
    tags = serializers.DictField(required=False, allow_null=True)
    provenance = serializers.DictField(required=False, allow_null=True)
    packages = serializers.DictField(child=serializers.CharField(), required=False, allow_null=True)

    def said(self, *, user: str, agent: str) -> Said:
        """What `services.start_upload` takes about the version, signed by who sends it."""
        given = self.validated_data
        provenance = describing.signed(given.get("provenance") or {}, user=user, agent=agent)
        return Said(
            description=given["description"] or "",
            framework=given["framework"] or "",
            metrics=given.get("metrics"),
            tags=given.get("tags"),
            packages=given.get("packages"),
            provenance=provenance,
        )


class ChangesSerializer(serializers.Serializer[ModelVersion]):
    """What is given replaces what was said; the rest stays."""

    description = serializers.CharField(required=False, allow_blank=True, max_length=10_000)
    framework = serializers.CharField(required=False, allow_blank=True, max_length=50)
    metrics = MetricsField(required=False)
    tags = serializers.DictField(required=False)

    def changes(self) -> Changes:
        return cast(Changes, dict(self.validated_data))


class TagSerializer(serializers.Serializer[ModelVersion]):
    value = serializers.JSONField(help_text="any JSON")


class MoveAliasSerializer(serializers.Serializer[Alias]):
    version = serializers.IntegerField(min_value=1, help_text="the number of the version it stands for")


class UploadSerializer(serializers.ModelSerializer[ModelVersion]):
    id = serializers.UUIDField(source="upload")
    model = serializers.CharField(source="model.name")
    version = serializers.IntegerField(source="number", allow_null=True)

    class Meta:
        model = ModelVersion
        fields = ["id", "model", "version"]


class CopySerializer(serializers.Serializer[object]):
    source = serializers.CharField(max_length=500, help_text="a file or folder such as Resources/iris")  # type: ignore[assignment]
