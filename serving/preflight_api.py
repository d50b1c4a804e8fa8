"""REST API: pre-flights, of a serving's current revision and of settings that are not saved."""

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import InProject
from accounts.models import Scope
from serving import queries, services
from serving.api import InServing
from serving.asked import SettingsSerializer
from serving.errors import NoSuchServing
from serving.serializers import PreflightSerializer
from serving.settings import Settings


class ServingPreflight(InServing):
    """What checking the current revision in a throw-away process found; POST checks again."""

    @extend_schema(responses=PreflightSerializer)
    def get(self, request: Request, project: str, name: str) -> Response:
        found = self.serving().current.preflight
        if found is None:
            raise NoSuchServing("This revision has not been checked yet; POST here to check it.")
        return Response(PreflightSerializer(found).data)

    @extend_schema(request=None, responses=PreflightSerializer)
    def post(self, request: Request, project: str, name: str) -> Response:
        access = self.reach(Scope.WRITE)
        serving = queries.serving(access.project, name)
        return Response(PreflightSerializer(services.check_again(access=access, serving=serving)).data)


class PreflightCheck(InProject):
    """Check settings without saving them; the answer's `id` is that of a pre-flight to look at until it has ended."""

    @extend_schema(request=SettingsSerializer, responses={202: PreflightSerializer})
    def post(self, request: Request, project: str) -> Response:
        access = self.reach(Scope.WRITE)
        given = SettingsSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        wanted = Settings(**{"name": "preflight", **given.changes()})
        found = services.check(access=access, wanted=wanted)
        return Response(PreflightSerializer(found).data, status=status.HTTP_202_ACCEPTED)


class PreflightDetail(InProject):
    @extend_schema(responses=PreflightSerializer)
    def get(self, request: Request, project: str, preflight: int) -> Response:
        return Response(PreflightSerializer(queries.preflight(self.reach().project, preflight)).data)
