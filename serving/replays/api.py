"""REST API: replays of recorded calls against a revision, and what came of them."""

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Scope
from serving import queries as servings
from serving.api import InServing
from serving.models import Replay, ReplayedCall
from serving.replays import queries, services
from serving.replays.serializers import NewReplaySerializer, ReplayedCallSerializer, ReplaySerializer

TRUE = {"1", "true", "yes", "on"}


class Replays(generics.ListAPIView[Replay], InServing):
    """The serving's replays, newest first."""

    serializer_class = ReplaySerializer
    queryset = Replay.objects.none()

    def get_queryset(self) -> QuerySet[Replay]:
        return queries.replays(self.serving())

    @extend_schema(request=NewReplaySerializer, responses={202: ReplaySerializer})
    def post(self, request: Request, project: str, name: str) -> Response:
        """Have recorded calls asked again of a revision; `selection` are the filters of the inference records."""
        access = self.reach(Scope.WRITE)
        given = NewReplaySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        serving = servings.serving(access.project, name)
        replay = services.ask(access=access, serving=serving, **given.validated_data)
        return Response(ReplaySerializer(replay).data, status=status.HTTP_202_ACCEPTED)


class ReplayDetail(InServing):
    @extend_schema(responses=ReplaySerializer)
    def get(self, request: Request, project: str, name: str, replay: int) -> Response:
        return Response(ReplaySerializer(queries.replay(self.serving(), replay)).data)

    @extend_schema(responses=ReplaySerializer)
    def delete(self, request: Request, project: str, name: str, replay: int) -> Response:
        """End a replay that runs; what was asked until now stays."""
        access = self.reach(Scope.WRITE)
        found = queries.replay(servings.serving(access.project, name), replay)
        return Response(ReplaySerializer(services.end(access=access, replay=found)).data)


class ReplayedCalls(generics.ListAPIView[ReplayedCall], InServing):
    """The calls that were asked again, those whose answers differ first."""

    serializer_class = ReplayedCallSerializer
    queryset = ReplayedCall.objects.none()

    def get_queryset(self) -> QuerySet[ReplayedCall]:
        replay = queries.replay(self.serving(), self.kwargs["replay"])
        differing_only = self.request.query_params.get("differing", "").lower() in TRUE
        return queries.calls(replay, differing_only=differing_only)

    @extend_schema(parameters=[OpenApiParameter("differing", bool, description="only those that differ")])
    def get(self, request: Request, project: str, name: str, replay: int) -> Response:
        return super().get(request, project=project, name=name, replay=replay)
