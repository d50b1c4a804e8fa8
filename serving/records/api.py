"""REST API: the calls of a serving, found, drawn and exported by the same filters."""

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from serving.api import InServing
from serving.records import answers, charts, exports, filters, queries, words
from serving.records.filters import BadFilters
from serving.records.serializers import (
    ChartSerializer,
    InferenceRecordPageSerializer,
    InferenceRecordSerializer,
)

SECONDS_OF_SEARCH = 2.0
PAGE_SIZE = 100
LARGEST_PAGE = 500
CURSOR, SIZE = "cursor", "page_size"
FILTERS = [OpenApiParameter(name, description=text) for name, text in words.DESCRIPTIONS.items()]


class InferenceRecords(InServing):
    """What the serving was asked and what it answered, newest first."""

    @extend_schema(
        operation_id="projects_servings_inference_records_list",
        parameters=[
            *FILTERS,
            OpenApiParameter(CURSOR, description="where the page begins; `next` of the one before has it"),
            OpenApiParameter(SIZE, int, description=f"calls in a page, at most {LARGEST_PAGE}"),
        ],
        responses=InferenceRecordPageSerializer,
    )
    def get(self, request: Request, project: str, name: str) -> Response:
        serving = self.serving()
        said = request.query_params
        found = queries.page(
            serving,
            filters.parse(said, besides=(CURSOR, SIZE)),
            after=queries.place(said.get(CURSOR, "")),
            size=_size(said.get(SIZE, "")),
            seconds=SECONDS_OF_SEARCH,
        )
        shown = {
            "next": _address(request, str(found.next)) if found.next else None,
            "searched_to": found.searched_to,
            "items": found.records,
        }
        return Response(InferenceRecordPageSerializer(shown).data)


class InferenceRecordDetail(InServing):
    @extend_schema(responses=InferenceRecordSerializer)
    def get(self, request: Request, project: str, name: str, record: int) -> Response:
        return Response(InferenceRecordSerializer(queries.one(self.serving(), record)).data)


class InferenceRecordChart(InServing):
    """Calls by class of status, and percentiles of their latency (within a tenth), over time."""

    @extend_schema(parameters=FILTERS, responses=ChartSerializer)
    def get(self, request: Request, project: str, name: str) -> Response:
        serving = self.serving()
        return Response(ChartSerializer(charts.draw(serving, filters.parse(request.query_params))).data)


class InferenceRecordExport(InServing):
    """The newest calls that the filters mean, as a file."""

    @extend_schema(
        operation_id="projects_servings_inference_records_export",
        parameters=[
            *FILTERS,
            OpenApiParameter(
                answers.FORMAT, enum=list(exports.FORMATS), description="csv if it is not given"
            ),
            OpenApiParameter(
                answers.MOST, int, description=f"how many of the newest, at most {exports.MOST_RECORDS}"
            ),
        ],
        responses={
            (200, each.content_type): OpenApiResponse(OpenApiTypes.BINARY)
            for each in exports.FORMATS.values()
        },
    )
    def get(self, request: Request, project: str, name: str) -> StreamingHttpResponse:
        return answers.exported(self.serving(), request.query_params)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:
        """`format` in the address is ours: errors are JSON whatever it says."""
        renderer = self.get_renderers()[0]
        return renderer, renderer.media_type


def _size(text: str) -> int:
    if not text:
        return PAGE_SIZE
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if number < 1:
        raise BadFilters({SIZE: f"Write a number from 1 to {LARGEST_PAGE}."})
    return min(number, LARGEST_PAGE)


def _address(request: Request, cursor: str) -> str:
    said = request.query_params.copy()
    said[CURSOR] = cursor
    return request.build_absolute_uri(f"{request.path}?{said.urlencode()}")
