"""REST API: the environments of a project's servings, and the Pythons of the host."""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import InProject
from accounts.models import Project, Scope
from serving.environments import queries, service
from serving.environments.serializers import (
    EnvironmentDetailSerializer,
    EnvironmentSerializer,
    InterpreterSerializer,
)
from serving.models import Environment, Interpreter


def _shown(project: Project, environments: Sequence[Environment]) -> Any:
    context = {"uses": queries.uses(project, environments)}
    return EnvironmentSerializer(environments, many=True, context=context).data


class Environments(generics.ListAPIView[Environment], InProject):
    """Those that revisions of the project's servings name, last used first."""

    serializer_class = EnvironmentSerializer
    queryset = Environment.objects.none()

    def list(self, request: Request, project: str) -> Response:
        found = self.reach().project
        page = self.paginate_queryset(queries.environments(found)) or []
        return self.get_paginated_response(_shown(found, page))


class EnvironmentDetail(InProject):
    """One environment, by its key or at least 12 digits of its beginning, with its lock, packages and build log."""

    @extend_schema(responses=EnvironmentDetailSerializer)
    def get(self, request: Request, project: str, key: str) -> Response:
        found = self.reach().project
        shown = queries.environment(found, key)
        context = {"uses": queries.uses(found, [shown])}
        return Response(EnvironmentDetailSerializer(shown, context=context).data)


class Verify(InProject):
    @extend_schema(request=None, responses={202: EnvironmentSerializer})
    def post(self, request: Request, project: str, key: str) -> Response:
        """Have every file compared with what was built; look at `verified_at` and `failure` for the outcome."""
        access = self.reach(Scope.WRITE)
        asked = service.verify(access=access, environment=queries.environment(access.project, key))
        return Response(_shown(access.project, [asked])[0], status=status.HTTP_202_ACCEPTED)


class Rebuild(InProject):
    @extend_schema(request=None, responses={202: EnvironmentSerializer})
    def post(self, request: Request, project: str, key: str) -> Response:
        """Have it built anew from its lock."""
        access = self.reach(Scope.WRITE)
        asked = service.rebuild(access=access, environment=queries.environment(access.project, key))
        return Response(_shown(access.project, [asked])[0], status=status.HTTP_202_ACCEPTED)


class Interpreters(generics.ListAPIView[Interpreter], InProject):
    """The Pythons a serving can ask for, as the worker last saw them."""

    serializer_class = InterpreterSerializer
    queryset = Interpreter.objects.none()
    pagination_class = None

    def get_queryset(self) -> QuerySet[Interpreter]:
        self.reach()
        return Interpreter.objects.order_by("pk")
