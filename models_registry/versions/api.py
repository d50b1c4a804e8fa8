"""REST API of a version: reading it by alias, its tags and aliases, and how it differs from another."""

from django.http import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import InProject
from accounts.models import Scope
from models_registry import downloads, queries
from models_registry.api import BYTES
from models_registry.errors import RegistryError
from models_registry.serializers import (
    AliasSerializer,
    MoveAliasSerializer,
    TagSerializer,
    VersionSerializer,
)
from models_registry.versions import aliases, comparison, tags
from models_registry.versions.comparison_serializers import ComparisonSerializer


class CalledVersion(InProject):
    """The version that an alias, or `latest`, stands for."""

    @extend_schema(operation_id="version_by_alias", responses=VersionSerializer)
    def get(self, request: Request, project: str, model: str, alias: str) -> Response:
        return Response(VersionSerializer(queries.version_called(self.reach().project, model, alias)).data)


class CalledVersionFile(InProject):
    @extend_schema(operation_id="version_file_by_alias", responses=BYTES)
    def get(self, request: Request, project: str, model: str, alias: str, path: str) -> HttpResponseBase:
        found = queries.version_called(self.reach().project, model, alias)
        return downloads.file(request, queries.file(found.model.project, f"{found.folder}/{path}"))


class VersionTag(InProject):
    @extend_schema(request=TagSerializer, responses=VersionSerializer)
    def put(self, request: Request, project: str, model: str, number: int, name: str) -> Response:
        access = self.reach(Scope.WRITE)
        version = queries.version(access.project, model, number)
        given = TagSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        tags.put(access=access, version=version, name=name, value=given.validated_data["value"])
        return Response(VersionSerializer(queries.version(access.project, model, number)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, project: str, model: str, number: int, name: str) -> Response:
        access = self.reach(Scope.WRITE)
        tags.remove(access=access, version=queries.version(access.project, model, number), name=name)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ModelAlias(InProject):
    """Let a name stand for a version; servings that follow it get a new revision when it moves."""

    @extend_schema(request=MoveAliasSerializer, responses={200: AliasSerializer, 201: AliasSerializer})
    def put(self, request: Request, project: str, model: str, alias: str) -> Response:
        access = self.reach(Scope.WRITE)
        queries.model(access.project, model)
        given = MoveAliasSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        version = queries.version(access.project, model, given.validated_data["version"])
        made, is_new = aliases.put(access=access, version=version, name=alias)
        return Response(AliasSerializer(made).data, status=201 if is_new else 200)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, project: str, model: str, alias: str) -> Response:
        access = self.reach(Scope.WRITE)
        aliases.remove(access=access, model=queries.model(access.project, model), name=alias)
        return Response(status=status.HTTP_204_NO_CONTENT)


class Compare(InProject):
    """What is different in version `b` of a model as against version `a`."""

    @extend_schema(
        parameters=[
            OpenApiParameter("a", required=True, description="a version number, an alias or `latest`"),
            OpenApiParameter("b", required=True, description="a version number, an alias or `latest`"),
        ],
        responses=ComparisonSerializer,
    )
    def get(self, request: Request, project: str, model: str) -> Response:
        access = self.reach()
        queries.model(access.project, model)
        asked = [request.query_params.get(side, "") for side in ("a", "b")]
        if not all(asked):
            raise RegistryError("Name two versions: ?a=1&b=2.")
        a, b = (queries.version_called(access.project, model, which) for which in asked)
        return Response(ComparisonSerializer(comparison.compare(a, b)).data)
