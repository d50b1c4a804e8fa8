"""REST API: two revisions of a serving compared."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from models_registry.versions.comparing import TextDiff
from models_registry.versions.comparison_serializers import (
    ChangeSerializer,
    FileChangeSerializer,
    TextDiffSerializer,
)
from serving import comparing, queries
from serving.api import InServing


class SidesSerializer(serializers.Serializer[Any]):
    a = serializers.CharField(
        required=False, default="", allow_blank=True, help_text="a number; empty: the one before b"
    )
    b = serializers.CharField(
        required=False, default="", allow_blank=True, help_text="a number; empty: the current one"
    )


class RevisionComparisonSerializer(serializers.Serializer[Any]):
    """From revision `a` to revision `b`; `packages` lists only what differs, `texts` the changed ones.

    The values of environment variables are there for those who may change the serving, and `hidden` for others.
    """

    a = serializers.IntegerField(source="a.number")
    b = serializers.IntegerField(source="b.number")
    is_same = serializers.BooleanField(help_text="both would run the very same")
    settings = ChangeSerializer(many=True)
    variables = ChangeSerializer(many=True)
    texts = serializers.SerializerMethodField(help_text="script, transformer and requirements")
    files = FileChangeSerializer(many=True)
    packages = ChangeSerializer(many=True)

    def get_texts(self, found: comparing.Comparison) -> dict[str, Any]:
        diffs: dict[str, TextDiff] = found.texts
        return {name: TextDiffSerializer(diff).data for name, diff in diffs.items()}


class Compare(InServing):
    """What is different in revision `b`, seen from revision `a`."""

    @extend_schema(parameters=[SidesSerializer], responses=RevisionComparisonSerializer)
    def get(self, request: Request, project: str, name: str) -> Response:
        access = self.reach()
        serving = queries.serving(access.project, name)
        asked = SidesSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        a, b = comparing.pair(serving, asked.validated_data["a"], asked.validated_data["b"])
        found = comparing.compare(a, b, with_values=access.can_write)
        return Response(RevisionComparisonSerializer(found).data)
