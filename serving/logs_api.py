"""REST API: what the replicas of a serving wrote, the same wherever they run."""

from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from serving import log_answers, logs
from serving.api import InServing
from serving.serializers import LogsSerializer

DEFAULT_LINES = 200


class LogsQuerySerializer(serializers.Serializer[Any]):
    replica = serializers.CharField(required=False, default="", allow_blank=True)
    search = serializers.CharField(required=False, default="", allow_blank=True, trim_whitespace=False)
    since = serializers.DateTimeField(
        required=False, default=None, help_text="only lines written at this time or later"
    )
    tail = serializers.IntegerField(
        required=False, default=DEFAULT_LINES, min_value=1, max_value=logs.MOST_LINES
    )


class Logs(InServing):
    """The last lines of each replica's log, the ended ones' included."""

    @extend_schema(parameters=[LogsQuerySerializer], responses=LogsSerializer)
    def get(self, request: Request, project: str, name: str) -> Response:
        serving = self.serving()
        asked = LogsQuerySerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        said = asked.validated_data
        found = logs.tail(
            serving,
            replica=said["replica"],
            search=said["search"],
            since=said["since"],
            lines=said["tail"],
        )
        return Response({"replicas": [{"name": log.name, "content": "\n".join(log.lines)} for log in found]})


class WholeLog(InServing):
    """All that is kept of one replica's log, as text."""

    @extend_schema(
        operation_id="projects_servings_logs_download",
        responses={(200, "text/plain"): OpenApiResponse(OpenApiTypes.STR)},
    )
    def get(self, request: Request, project: str, name: str, replica: str) -> StreamingHttpResponse:
        return log_answers.whole(self.serving(), replica)
