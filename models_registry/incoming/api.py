"""REST API: a file in chunks that survives interruptions."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import InProject
from accounts.models import Scope
from models_registry import queries as registry
from models_registry import storage
from models_registry.incoming import bodies, completing, queries, services
from models_registry.incoming.serializers import (
    CompletedSerializer,
    IncomingSerializer,
    NewIncomingSerializer,
)
from models_registry.models import IncomingFile


class IncomingFiles(InProject):
    """Begin a file, or go on with it: the same words again find what is there of it."""

    @extend_schema(
        request=NewIncomingSerializer, responses={200: IncomingSerializer, 201: IncomingSerializer}
    )
    def post(self, request: Request, project: str) -> Response:
        access = self.reach(Scope.WRITE)
        given = NewIncomingSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        upload = given.validated_data.pop("upload")
        draft = registry.draft(access.project, upload) if upload else None
        announced = services.Announced(**given.validated_data)
        file, is_new = services.begin(access=access, draft=draft, announced=announced)
        return Response(IncomingSerializer(file).data, status=201 if is_new else 200)


class InIncoming(InProject):
    """A view on a file that was begun and is not complete."""

    def incoming(self, needs: Scope = Scope.WRITE) -> IncomingFile:
        return queries.incoming(self.reach(needs).project, self.kwargs["incoming"])


class IncomingDetail(InIncoming):
    @extend_schema(responses=IncomingSerializer)
    def get(self, request: Request, project: str, incoming: str) -> Response:
        return Response(IncomingSerializer(self.incoming(Scope.READ)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, project: str, incoming: str) -> Response:
        services.drop(file=self.incoming())
        return Response(status=status.HTTP_204_NO_CONTENT)


class IncomingChunk(InIncoming):
    """One chunk as the raw body. It may come in any order, beside others, and again."""

    parser_classes = [bodies.RawBody]

    @extend_schema(
        request={"application/octet-stream": OpenApiTypes.BINARY},
        parameters=[OpenApiParameter("X-Content-SHA256", location="header", required=True)],
        responses={204: None},
    )
    def put(self, request: Request, project: str, incoming: str, chunk: int) -> Response:
        file = self.incoming()
        sha256 = bodies.announced_sha256(request)
        if sha256 is None:
            raise storage.WrongHash("Send the sha256 of the chunk's bytes as X-Content-SHA256.")
        services.refuse_length(file=file, number=chunk, length=bodies.announced_size(request))
        services.keep_chunk(file=file, number=chunk, pieces=bodies.pieces(request), sha256=sha256)
        return Response(status=status.HTTP_204_NO_CONTENT)


class IncomingComplete(InIncoming):
    @extend_schema(request=None, responses={201: CompletedSerializer})
    def post(self, request: Request, project: str, incoming: str) -> Response:
        access = self.reach(Scope.WRITE)
        files = queries.with_reports(completing.complete(access=access, file=self.incoming()))
        return Response(CompletedSerializer({"files": files}).data, status=status.HTTP_201_CREATED)
