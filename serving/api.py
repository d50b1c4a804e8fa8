"""REST API: servings, their revisions, replicas and events."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import Access
from accounts.api import InProject
from accounts.models import Scope
from serving import queries, services
from serving.asked import SettingsSerializer
from serving.errors import NoSuchServing
from serving.models import Replica, Revision, Serving, ServingEvent
from serving.serializers import (
    EventSerializer,
    ReplicaSerializer,
    RevisionSerializer,
    ServingSerializer,
)
from serving.settings import Settings
from serving.strict import StrictSerializer


class StartSerializer(StrictSerializer):
    override = serializers.BooleanField(default=False)


class Servings(generics.ListAPIView[Serving], InProject):
    """The project's servings by name."""

    serializer_class = ServingSerializer
    queryset = Serving.objects.none()

    def get_queryset(self) -> QuerySet[Serving]:
        return queries.search(self.reach().project, self.request.query_params.get("q", ""))

    @extend_schema(parameters=[OpenApiParameter("q", description="words in name, model or status")])
    def get(self, request: Request, project: str) -> Response:
        return super().get(request, project=project)

    @extend_schema(request=SettingsSerializer, responses={200: ServingSerializer, 201: ServingSerializer})
    def post(self, request: Request, project: str) -> Response:
        """Create a serving; the same request once more answers 200 with the serving it made."""
        access = self.reach(Scope.WRITE)
        given = SettingsSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        return _create(access, given.changes())


class InServing(InProject):
    """A view on one serving of a project."""

    def serving(self, needs: Scope = Scope.READ) -> Serving:
        return queries.serving(self.reach(needs).project, self.kwargs["name"])


class ServingDetail(InServing):
    @extend_schema(responses=ServingSerializer)
    def get(self, request: Request, project: str, name: str) -> Response:
        return Response(ServingSerializer(self.serving()).data)

    @extend_schema(request=SettingsSerializer, responses={200: ServingSerializer, 201: ServingSerializer})
    def put(self, request: Request, project: str, name: str) -> Response:
        """Create the serving, or give it these settings and the defaults for what is left out."""
        access = self.reach(Scope.WRITE)
        given = SettingsSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        wanted = {"name": name, **given.changes()}
        if wanted["name"] != name:
            raise serializers.ValidationError({"name": [f"The address says {name}; leave the name out."]})
        try:
            serving = queries.serving(access.project, name)
        except NoSuchServing:
            return _create(access, wanted)
        defaults = Settings(name=name, script=wanted["script"])
        changes = {**vars(defaults), **wanted}
        return self._update(access, serving, given, changes)

    @extend_schema(request=SettingsSerializer(partial=True), responses=ServingSerializer)
    def patch(self, request: Request, project: str, name: str) -> Response:
        """Change the given settings only."""
        access = self.reach(Scope.WRITE)
        serving = queries.serving(access.project, name)
        given = SettingsSerializer(data=request.data, partial=True)
        given.is_valid(raise_exception=True)
        return self._update(access, serving, given, given.changes())

    @extend_schema(
        parameters=[
            OpenApiParameter("topic", enum=["keep", "delete"], description="what becomes of its topic")
        ],
        responses={204: None},
    )
    def delete(self, request: Request, project: str, name: str) -> Response:
        """Delete the serving; its topic stays unless `?topic=delete` asks for its end too."""
        access = self.reach(Scope.WRITE)
        asked = request.query_params.get("topic", "keep")
        if asked not in {"keep", "delete"}:
            raise serializers.ValidationError({"topic": ["Write keep or delete."]})
        serving = queries.serving(access.project, name)
        services.delete(access=access, serving=serving, with_topic=asked == "delete")
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _update(
        self, access: Access, serving: Serving, given: SettingsSerializer, changes: dict[str, Any]
    ) -> Response:
        expected = given.validated_data.get("expected_revision")
        updated = services.update(access=access, serving=serving, expected_revision=expected, changes=changes)
        return Response(ServingSerializer(updated).data)


class Start(InServing):
    """Run the serving; `override` is an owner's word that it may run although its pre-flight is red."""

    @extend_schema(request=StartSerializer, responses=ServingSerializer)
    def post(self, request: Request, project: str, name: str) -> Response:
        access = self.reach(Scope.WRITE)
        given = StartSerializer(data=request.data or {})
        given.is_valid(raise_exception=True)
        serving = queries.serving(access.project, name)
        started = services.start(access=access, serving=serving, override=given.validated_data["override"])
        return Response(ServingSerializer(started).data)


class Stop(InServing):
    @extend_schema(request=None, responses=ServingSerializer)
    def post(self, request: Request, project: str, name: str) -> Response:
        access = self.reach(Scope.WRITE)
        stopped = services.stop(access=access, serving=queries.serving(access.project, name))
        return Response(ServingSerializer(stopped).data)


class Rollback(InServing):
    """A new revision that is a copy of an earlier one."""

    @extend_schema(request=None, responses=ServingSerializer)
    def post(self, request: Request, project: str, name: str, number: int) -> Response:
        access = self.reach(Scope.WRITE)
        serving = queries.serving(access.project, name)
        return Response(
            ServingSerializer(services.roll_back(access=access, serving=serving, number=number)).data
        )


class Revisions(generics.ListAPIView[Revision], InServing):
    serializer_class = RevisionSerializer
    queryset = Revision.objects.none()

    def get_queryset(self) -> QuerySet[Revision]:
        return queries.revisions(self.serving())


class Replicas(generics.ListAPIView[Replica], InServing):
    """Living replicas first, then those that ended."""

    serializer_class = ReplicaSerializer
    queryset = Replica.objects.none()

    def get_queryset(self) -> QuerySet[Replica]:
        return queries.replicas(self.serving())


class Events(generics.ListAPIView[ServingEvent], InServing):
    """Newest first."""

    serializer_class = EventSerializer
    queryset = ServingEvent.objects.none()

    def get_queryset(self) -> QuerySet[ServingEvent]:
        return queries.events(self.serving())


def _create(access: Access, wanted: dict[str, Any]) -> Response:
    if "name" not in wanted:
        raise serializers.ValidationError({"name": ["Give the serving a name."]})
    serving, is_new = services.create(access=access, wanted=Settings(**wanted))
    shown = ServingSerializer(queries.serving(access.project, serving.name)).data
    return Response(shown, status=status.HTTP_201_CREATED if is_new else status.HTTP_200_OK)
