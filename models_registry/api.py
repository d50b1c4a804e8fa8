"""REST API: models, versions, uploads and project files."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import InProject
from accounts.models import Scope
from models_registry import artifacts, copying, downloads, paths, queries, services
from models_registry.errors import RegistryError
from models_registry.incoming import queries as incoming
from models_registry.incoming.bodies import RawBody, received
from models_registry.incoming.serializers import DraftSerializer
from models_registry.models import Artifact, ModelVersion, ProjectFile, RegisteredModel
from models_registry.serializers import (
    ChangesSerializer,
    CopySerializer,
    FileSerializer,
    ModelSerializer,
    ModelSummarySerializer,
    NewUploadSerializer,
    UploadSerializer,
    VersionSerializer,
)
from models_registry.versions import describing

BYTES = {(200, "application/octet-stream"): OpenApiTypes.BINARY}
BODY = {"application/octet-stream": OpenApiTypes.BINARY}


class Models(generics.ListAPIView[RegisteredModel], InProject):
    serializer_class = ModelSummarySerializer
    queryset = RegisteredModel.objects.none()

    def get_queryset(self) -> QuerySet[RegisteredModel]:
        return queries.models(self.reach().project)


class ModelDetail(InProject):
    @extend_schema(responses=ModelSerializer)
    def get(self, request: Request, project: str, model: str) -> Response:
        return Response(ModelSerializer(queries.model(self.reach().project, model)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, project: str, model: str) -> Response:
        access = self.reach(Scope.WRITE)
        services.delete_model(access=access, model=queries.model(access.project, model))
        return Response(status=status.HTTP_204_NO_CONTENT)


class BestVersion(InProject):
    """The version with the highest (or lowest) value of a metric."""

    @extend_schema(
        parameters=[
            OpenApiParameter("metric", required=True),
            OpenApiParameter("direction", enum=["max", "min"], default="max"),
        ],
        responses=VersionSerializer,
    )
    def get(self, request: Request, project: str, model: str) -> Response:
        found = queries.model(self.reach().project, model)
        metric = request.query_params.get("metric", "")
        direction = request.query_params.get("direction", "max").lower()
        if not metric or direction not in {"max", "min"}:
            raise RegistryError("Name a metric, and max or min: ?metric=accuracy&direction=max.")
        best = queries.best_version(found, metric, highest=direction == "max")
        return Response(VersionSerializer(best).data)


class VersionDetail(InProject):
    @extend_schema(responses=VersionSerializer)
    def get(self, request: Request, project: str, model: str, number: int) -> Response:
        return Response(VersionSerializer(queries.version(self.reach().project, model, number)).data)

    @extend_schema(request=ChangesSerializer, responses=VersionSerializer)
    def patch(self, request: Request, project: str, model: str, number: int) -> Response:
        access = self.reach(Scope.WRITE)
        version = queries.version(access.project, model, number)
        given = ChangesSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        describing.change(access=access, version=version, changes=given.changes())
        return Response(VersionSerializer(queries.version(access.project, model, number)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, project: str, model: str, number: int) -> Response:
        access = self.reach(Scope.WRITE)
        services.delete_version(access=access, version=queries.version(access.project, model, number))
        return Response(status=status.HTTP_204_NO_CONTENT)


class VersionFile(InProject):
    @extend_schema(responses=BYTES)
    def get(self, request: Request, project: str, model: str, number: int, path: str) -> HttpResponseBase:
        return downloads.file(request, queries.file(self.reach().project, f"Models/{model}/{number}/{path}"))


class Uploads(InProject):
    """Begin a model version; its files follow, and finalising publishes all of it at once."""

    @extend_schema(responses={200: dict[str, Any]})
    def get(self, request: Request, project: str, model: str) -> Response:
        """One's own uploads of the model that are not finished, newest first: `{"items": [...]}`."""
        drafts = incoming.drafts(self.reach(), model)
        return Response({"items": DraftSerializer(drafts, many=True).data})

    @extend_schema(request=NewUploadSerializer, responses={201: UploadSerializer})
    def post(self, request: Request, project: str, model: str) -> Response:
        access = self.reach(Scope.WRITE)
        given = NewUploadSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        said = given.validated_data
        draft = services.start_upload(
            access=access,
            model_name=model,
            number=said.get("version"),
            may_overwrite=said["overwrite"],
            **given.said(user=access.user.username, agent=request.headers.get("User-Agent", "")),
        )
        return Response(UploadSerializer(draft).data, status=status.HTTP_201_CREATED)


class InUpload(InProject):
    """A view on an upload that was begun and not finished."""

    def draft(self) -> ModelVersion:
        return queries.draft(self.reach(Scope.WRITE).project, self.kwargs["upload"])


class UploadDetail(InUpload):
    @extend_schema(responses=DraftSerializer)
    def get(self, request: Request, project: str, upload: str) -> Response:
        return Response(DraftSerializer(queries.draft(self.reach().project, upload, whole=True)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, project: str, upload: str) -> Response:
        services.discard(draft=self.draft())
        return Response(status=status.HTTP_204_NO_CONTENT)


class UploadFile(InUpload):
    """One file of an upload, as the raw body; `X-Content-SHA256` is checked if it is sent."""

    parser_classes = [RawBody]

    @extend_schema(request=BODY, responses={201: FileSerializer})
    def put(self, request: Request, project: str, upload: str, path: str) -> Response:
        draft = self.draft()
        paths.clean(path)
        with received(request, draft.model.project) as blob:
            file = services.add_file(draft=draft, path=path, blob=blob)
        return Response(FileSerializer(file).data, status=status.HTTP_201_CREATED)


class UploadCopy(InUpload):
    """Take a project file, or what lies in a project folder, into the upload."""

    @extend_schema(request=CopySerializer, responses={200: dict[str, int]})
    def post(self, request: Request, project: str, upload: str) -> Response:
        draft = self.draft()
        given = CopySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        return Response({"files": copying.into_draft(draft=draft, source=given.validated_data["source"])})


class UploadFinalise(InUpload):
    @extend_schema(request=None, responses={201: VersionSerializer})
    def post(self, request: Request, project: str, upload: str) -> Response:
        version = services.finalise(access=self.reach(Scope.WRITE), draft=self.draft())
        return Response(VersionSerializer(version).data, status=status.HTTP_201_CREATED)


class Files(generics.ListAPIView[ProjectFile], InProject):
    """The free files of the project."""

    serializer_class = FileSerializer
    queryset = ProjectFile.objects.none()

    @extend_schema(parameters=[OpenApiParameter("prefix", description="for example Resources/iris/")])
    def get(self, request: Request, project: str) -> Response:
        return super().get(request, project=project)

    def get_queryset(self) -> QuerySet[ProjectFile]:
        return queries.free_files(self.reach().project, self.request.query_params.get("prefix", ""))


class FileDetail(InProject):
    """A file at its project path."""

    parser_classes = [RawBody]

    @extend_schema(responses=BYTES)
    def get(self, request: Request, project: str, path: str) -> HttpResponseBase:
        project_ = self.reach().project
        built = artifacts.at(project_, path)
        if isinstance(built, Artifact):
            return downloads.artifact(built)
        return downloads.file(request, built or queries.file(project_, path))

    @extend_schema(request=BODY, responses={200: FileSerializer, 201: FileSerializer})
    def put(self, request: Request, project: str, path: str) -> Response:
        access = self.reach(Scope.WRITE)
        paths.resource(path)
        with received(request, access.project) as blob:
            file, is_new = services.save_file(access=access, path=path, blob=blob)
        return Response(FileSerializer(file).data, status=201 if is_new else 200)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, project: str, path: str) -> Response:
        access = self.reach(Scope.WRITE)
        services.delete_file(access=access, file=queries.file(access.project, path))
        return Response(status=status.HTTP_204_NO_CONTENT)
