"""REST API: how many replicas run, how updates go, canaries, and exemptions from the hardening of containers."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Scope
from serving import canaries, exempting, queries, scaling
from serving.api import InServing
from serving.asked import CanarySettingsSerializer
from serving.models import Exemption, Serving
from serving.serializers import ServingSerializer
from serving.strict import StrictSerializer


class ScaleSerializer(StrictSerializer):
    replicas = serializers.IntegerField()


class PaceSerializer(StrictSerializer):
    """What is left out stays as it is."""

    surge = serializers.IntegerField(required=False)
    pace_seconds = serializers.IntegerField(required=False)


class PercentSerializer(StrictSerializer):
    percent = serializers.IntegerField()


class ExemptionsSerializer(StrictSerializer):
    exemptions = serializers.ListField(child=serializers.ChoiceField(choices=Exemption.choices))


class Scale(InServing):
    """Run another number of replicas from now on, without a new revision; at rest it counts for the next start."""

    @extend_schema(request=ScaleSerializer, responses=ServingSerializer)
    def post(self, request: Request, project: str, name: str) -> Response:
        access = self.reach(Scope.WRITE)
        serving = queries.serving(access.project, name)
        given = ScaleSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        return _shown(scaling.scale(access=access, serving=serving, **given.validated_data))


class Pace(InServing):
    """How many replicas an update runs beyond those wanted (0: a whole second set), and the seconds that a new one
    stays ready before an old one leaves.
    """

    @extend_schema(request=PaceSerializer, responses=ServingSerializer)
    def patch(self, request: Request, project: str, name: str) -> Response:
        access = self.reach(Scope.WRITE)
        serving = queries.serving(access.project, name)
        given = PaceSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        pace = {"surge": serving.surge, "pace_seconds": serving.pace_seconds} | given.validated_data
        return _shown(scaling.set_pace(access=access, serving=serving, **pace))


class Canary(InServing):
    """A new revision beside the current one, with a part of the requests."""

    @extend_schema(request=CanarySettingsSerializer, responses=ServingSerializer)
    def post(self, request: Request, project: str, name: str) -> Response:
        """Begin one: settings that differ from the current ones, and the percentage of the requests it gets."""
        access = self.reach(Scope.WRITE)
        serving = queries.serving(access.project, name)
        given = CanarySettingsSerializer(data=request.data, partial=True)
        given.is_valid(raise_exception=True)
        said = given.validated_data
        begun = canaries.begin(
            access=access,
            serving=serving,
            changes=given.changes(),
            percent=said["percent"],
            expected_revision=said.get("expected_revision"),
        )
        return _shown(begun)

    @extend_schema(request=PercentSerializer, responses=ServingSerializer)
    def patch(self, request: Request, project: str, name: str) -> Response:
        """Give it another part."""
        access = self.reach(Scope.WRITE)
        serving = queries.serving(access.project, name)
        given = PercentSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        return _shown(canaries.set_percent(access=access, serving=serving, **given.validated_data))

    @extend_schema(responses=ServingSerializer)
    def delete(self, request: Request, project: str, name: str) -> Response:
        """Withdraw it: its replicas finish what they do and end."""
        access = self.reach(Scope.WRITE)
        return _shown(canaries.withdraw(access=access, serving=queries.serving(access.project, name)))


class Promote(InServing):
    """Make the canary the current revision; its replicas stay."""

    @extend_schema(request=None, responses=ServingSerializer)
    def post(self, request: Request, project: str, name: str) -> Response:
        access = self.reach(Scope.WRITE)
        return _shown(canaries.promote(access=access, serving=queries.serving(access.project, name)))


class Exemptions(InServing):
    """Exempt the containers from exactly these parts of their hardening; owners only."""

    @extend_schema(request=ExemptionsSerializer, responses=ServingSerializer)
    def put(self, request: Request, project: str, name: str) -> Response:
        access = self.reach(Scope.ADMIN)
        serving = queries.serving(access.project, name)
        given = ExemptionsSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        wanted = frozenset(given.validated_data["exemptions"])
        return _shown(exempting.set_exemptions(access=access, serving=serving, exemptions=wanted))


def _shown(serving: Serving) -> Response:
    return Response(ServingSerializer(serving).data)
