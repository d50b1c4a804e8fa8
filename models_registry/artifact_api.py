"""REST API: the artifacts of a model version."""

from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import InProject
from models_registry import artifacts, downloads, queries
from models_registry.models import Artifact, ArtifactFile

ZIP = {(200, "application/zip"): OpenApiTypes.BINARY}


class ArtifactFileSerializer(serializers.ModelSerializer[ArtifactFile]):
    size = serializers.IntegerField(source="blob.size")
    sha256 = serializers.CharField(source="blob_id")

    class Meta:
        model = ArtifactFile
        fields = ["path", "size", "sha256"]


class ArtifactSummarySerializer(serializers.ModelSerializer[Artifact]):
    """`digest` is the sha256 of the manifest, `[[path, size, sha256], …]` sorted by path, as JSON without spaces."""

    label = serializers.CharField(help_text="MODEL-ONLY or the number")  # type: ignore[assignment]
    name = serializers.CharField(help_text="<model>_<model version>_<number>")
    size = serializers.IntegerField(help_text="bytes of all files")
    file_count = serializers.IntegerField()

    class Meta:
        model = Artifact
        fields = ["number", "label", "name", "digest", "transformer", "size", "file_count", "created_at"]


class ArtifactSerializer(ArtifactSummarySerializer):
    files = serializers.SerializerMethodField()

    class Meta(ArtifactSummarySerializer.Meta):
        fields = [*ArtifactSummarySerializer.Meta.fields, "files"]

    @extend_schema_field(ArtifactFileSerializer(many=True))
    def get_files(self, artifact: Artifact) -> list[dict[str, Any]]:
        lines = artifact.files.select_related("blob")
        return [dict(each) for each in ArtifactFileSerializer(lines, many=True).data]


class Artifacts(generics.ListAPIView[Artifact], InProject):
    """What the servings of a model version start from, newest first."""

    serializer_class = ArtifactSummarySerializer
    queryset = Artifact.objects.none()

    def get_queryset(self) -> QuerySet[Artifact]:
        version = queries.version(self.reach().project, self.kwargs["model"], self.kwargs["number"])
        return artifacts.of(version)


class InArtifact(InProject):
    def artifact(self) -> Artifact:
        version = queries.version(self.reach().project, self.kwargs["model"], self.kwargs["number"])
        return artifacts.called(version, self.kwargs["artifact"])


class ArtifactDetail(InArtifact):
    """An artifact with its manifest, by its number, MODEL-ONLY or its digest."""

    @extend_schema(responses=ArtifactSerializer)
    def get(self, request: Request, project: str, model: str, number: int, artifact: str) -> Response:
        return Response(ArtifactSerializer(self.artifact()).data)


class ArtifactDownload(InArtifact):
    """A zip whose one top folder is the artifact's number; of several with that number the newest."""

    @extend_schema(responses=ZIP)
    def get(
        self, request: Request, project: str, model: str, number: int, artifact: str
    ) -> StreamingHttpResponse:
        return downloads.artifact(self.artifact())
