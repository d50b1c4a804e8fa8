"""REST API: the artifacts of a model version."""

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request

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


class ArtifactSerializer(serializers.ModelSerializer[Artifact]):
    """`digest` is the sha256 of the manifest, `[[path, size, sha256], …]` sorted by path, as JSON without spaces."""

    label = serializers.CharField(help_text="MODEL-ONLY or the number")  # type: ignore[assignment]
    name = serializers.CharField(help_text="<model>_<model version>_<number>")
    size = serializers.IntegerField(help_text="bytes of all files")
    files = ArtifactFileSerializer(many=True)

    class Meta:
        model = Artifact
        fields = ["number", "label", "name", "digest", "transformer", "size", "created_at", "files"]


class Artifacts(generics.ListAPIView[Artifact], InProject):
    """What the servings of a model version start from, newest first."""

    serializer_class = ArtifactSerializer
    queryset = Artifact.objects.none()

    def get_queryset(self) -> QuerySet[Artifact]:
        version = queries.version(self.reach().project, self.kwargs["model"], self.kwargs["number"])
        return artifacts.of(version)


class ArtifactDownload(InProject):
    """A zip whose one top folder is the artifact's number; of several with that number the newest."""

    @extend_schema(responses=ZIP)
    def get(
        self, request: Request, project: str, model: str, number: int, artifact: int
    ) -> StreamingHttpResponse:
        version = queries.version(self.reach().project, model, number)
        return downloads.artifact(artifacts.newest(version, artifact))
