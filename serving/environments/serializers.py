"""The JSON forms of environments and interpreters."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from serving.environments import queries
from serving.models import Environment, Image, Interpreter


class PackageSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    version = serializers.CharField()
    hashes = serializers.ListField(child=serializers.CharField())


class EnvironmentFailureSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    reason = serializers.CharField()
    evidence = serializers.CharField()


class ImageSerializer(serializers.ModelSerializer[Image]):
    """An image; `reference` is its name at the container engine, `image_id` that engine's digest of it."""

    failure = EnvironmentFailureSerializer(allow_null=True)

    class Meta:
        model = Image
        fields = [
            "reference",
            "state",
            "image_id",
            "size_bytes",
            "failure",
            "created_at",
            "built_at",
            "build_seconds",
            "used_at",
        ]


class ImageDetailSerializer(ImageSerializer):
    class Meta(ImageSerializer.Meta):
        fields = [*ImageSerializer.Meta.fields, "log"]


class EnvironmentSerializer(serializers.ModelSerializer[Environment]):
    """An environment; `key` is the sha256 of its Python and lock, `seal` that of all its files.

    The context holds `uses`, as the query of that name gives them.
    """

    failure = EnvironmentFailureSerializer(allow_null=True)
    is_locked = serializers.SerializerMethodField()
    servings = serializers.SerializerMethodField()
    images = ImageSerializer(many=True)

    class Meta:
        model = Environment
        fields = [
            "key",
            "python",
            "state",
            "is_locked",
            "package_count",
            "size_bytes",
            "seal",
            "failure",
            "servings",
            "images",
            "created_at",
            "built_at",
            "build_seconds",
            "verified_at",
            "used_at",
        ]

    def get_is_locked(self, environment: Environment) -> bool:
        return bool(environment.lock)

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_servings(self, environment: Environment) -> list[str]:
        return [use.serving.name for use in self.context["uses"][environment.pk]]


class EnvironmentDetailSerializer(EnvironmentSerializer):
    packages = serializers.SerializerMethodField()
    images = ImageDetailSerializer(many=True)

    class Meta(EnvironmentSerializer.Meta):
        fields = [*EnvironmentSerializer.Meta.fields, "lock", "packages", "log"]

    @extend_schema_field(PackageSerializer(many=True))
    def get_packages(self, environment: Environment) -> Any:
        return PackageSerializer(queries.packages(environment), many=True).data


class InterpreterSerializer(serializers.ModelSerializer[Interpreter]):
    class Meta:
        model = Interpreter
        fields = ["version", "full_version", "seen_at"]
