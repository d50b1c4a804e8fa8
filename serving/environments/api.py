"""REST API: the environments of a project's servings, and the Pythons of the host."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import InProject
from accounts.models import Scope
from serving.environments import queries, service
from serving.environments.serializers import (
    EnvironmentDetailSerializer,
    EnvironmentSerializer,
    InterpreterSerializer,
)
from serving.models import Environment, Interpreter


class Environments(generics.ListAPIView[Environment], InProject):
    """Those that revisions of the project's servings name, last used first."""

    serializer_class = EnvironmentSerializer
    queryset = Environment.objects.none()

    def get_queryset(self) -> QuerySet[Environment]:
        return queries.environments(self.reach().project)

    def get_serializer_context(self) -> dict[str, object]:
        return {**super().get_serializer_context(), "project": self.reach().project}


class EnvironmentDetail(InProject):
    """One environment, by its key or at least 12 digits of its beginning, with its lock, packages and build log."""

    @extend_schema(responses=EnvironmentDetailSerializer)
    def get(self, request: Request, project: str, key: str) -> Response:
        found = self.reach().project
        shown = EnvironmentDetailSerializer(queries.environment(found, key), context={"project": found})
        return Response(shown.data)


class Verify(InProject):
    @extend_schema(request=None, responses={202: EnvironmentSerializer})
    def post(self, request: Request, project: str, key: str) -> Response:
        """Have every file compared with what was built; look at `verified_at` and `failure` for the outcome."""
        access = self.reach(Scope.WRITE)
        asked = service.verify(access=access, environment=queries.environment(access.project, key))
        shown = EnvironmentSerializer(asked, context={"project": access.project})
        return Response(shown.data, status=status.HTTP_202_ACCEPTED)


class Rebuild(InProject):
    @extend_schema(request=None, responses={202: EnvironmentSerializer})
    def post(self, request: Request, project: str, key: str) -> Response:
        """Have it built anew from its lock."""
        access = self.reach(Scope.WRITE)
        asked = service.rebuild(access=access, environment=queries.environment(access.project, key))
        shown = EnvironmentSerializer(asked, context={"project": access.project})
        return Response(shown.data, status=status.HTTP_202_ACCEPTED)


class Interpreters(generics.ListAPIView[Interpreter], InProject):
    """The Pythons a serving can ask for, as the worker last saw them."""

    serializer_class = InterpreterSerializer
    queryset = Interpreter.objects.none()
    pagination_class = None

    def get_queryset(self) -> QuerySet[Interpreter]:
        self.reach()
        return Interpreter.objects.order_by("pk")
