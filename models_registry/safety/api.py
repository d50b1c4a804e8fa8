"""REST API: the safety reports of a project's files, and owners' approvals."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import InProject
from accounts.models import Scope
from models_registry.safety import queries, services
from models_registry.safety.serializers import ReasonSerializer, ReportSerializer


class Reports(InProject):
    """The files an owner should look at: warned of, or code nothing is known of, and not approved."""

    @extend_schema(responses=ReportSerializer(many=True))
    def get(self, request: Request, project: str) -> Response:
        found = queries.attention(self.reach().project)
        return Response({"items": [ReportSerializer(each).data for each in found]})


class ReportDetail(InProject):
    """What scanning found in some bytes of the project."""

    @extend_schema(responses=ReportSerializer)
    def get(self, request: Request, project: str, sha256: str) -> Response:
        return Response(ReportSerializer(queries.report(self.reach().project, sha256)).data)


class ReportScan(InProject):
    """Look at the bytes anew."""

    @extend_schema(request=None, responses={202: ReportSerializer})
    def post(self, request: Request, project: str, sha256: str) -> Response:
        access = self.reach(Scope.WRITE)
        services.scan_again(access=access, sha256=sha256)
        return Response(ReportSerializer(queries.report(access.project, sha256)).data, status=202)


class ReportApproval(InProject):
    """An owner approves of the bytes, or takes that back."""

    @extend_schema(request=ReasonSerializer, responses=ReportSerializer)
    def post(self, request: Request, project: str, sha256: str) -> Response:
        access = self.reach(Scope.ADMIN)
        given = ReasonSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        reason = given.validated_data["reason"]
        shown = services.approve(access=access, sha256=sha256, reason=reason)
        return Response(ReportSerializer(shown).data)

    @extend_schema(responses=ReportSerializer)
    def delete(self, request: Request, project: str, sha256: str) -> Response:
        shown = services.withdraw(access=self.reach(Scope.ADMIN), sha256=sha256)
        return Response(ReportSerializer(shown).data)
