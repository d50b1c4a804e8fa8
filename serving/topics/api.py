"""REST API: topics of a project, their messages, schemas and dead letters."""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import InProject
from accounts.models import Project, Scope
from serving.models import DeadLetter, Topic
from serving.topics import queries, services
from serving.topics.errors import NoSuchTopic
from serving.topics.serializers import (
    DeadLetterSerializer,
    MessagesSerializer,
    NewTopicSerializer,
    PublishedSerializer,
    SchemaSerializer,
    SchemaVersionsSerializer,
    TopicDetailSerializer,
    TopicSerializer,
)


def _shown(project: Project, topics: Sequence[Topic]) -> Any:
    context = {"uses": queries.uses(project, [each.name for each in topics])}
    return TopicSerializer(topics, many=True, context=context).data


def _in_full(project: Project, topic: Topic) -> Any:
    context = {"uses": queries.uses(project, [topic.name])}
    return TopicDetailSerializer(topic, context=context).data


class Topics(generics.ListAPIView[Topic], InProject):
    """The project's topics by name."""

    serializer_class = TopicSerializer
    queryset = Topic.objects.none()

    @extend_schema(parameters=[OpenApiParameter("q", description="words in name or subject")])
    def get(self, request: Request, project: str) -> Response:
        found = self.reach().project
        text = request.query_params.get("q", "").replace("\0", "")
        page = self.paginate_queryset(queries.search(found, text)) or []
        return self.get_paginated_response(_shown(found, page))

    @extend_schema(
        request=NewTopicSerializer, responses={200: TopicDetailSerializer, 201: TopicDetailSerializer}
    )
    def post(self, request: Request, project: str) -> Response:
        """Register a topic and have it made; the same request once more answers 200 with the topic it made."""
        access = self.reach(Scope.WRITE)
        given = NewTopicSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        made, is_new = services.create(access=access, wanted=given.wanted())
        shown = _in_full(access.project, made)
        return Response(shown, status=status.HTTP_201_CREATED if is_new else status.HTTP_200_OK)


class InTopic(InProject):
    """A view on one topic of a project."""

    def topic(self, needs: Scope = Scope.READ) -> Topic:
        return queries.topic(self.reach(needs).project, self.kwargs["topic"])


class TopicDetail(InTopic):
    @extend_schema(responses=TopicDetailSerializer)
    def get(self, request: Request, project: str, topic: str) -> Response:
        found = self.topic()
        return Response(_in_full(found.project, found))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, project: str, topic: str) -> Response:
        """Remove it with its messages; refused while a serving uses it."""
        access = self.reach(Scope.WRITE)
        services.delete(access=access, topic=queries.topic(access.project, topic))
        return Response(status=status.HTTP_204_NO_CONTENT)


class TopicSchema(InTopic):
    """What its messages are; 404 for a topic without a registered schema."""

    @extend_schema(responses=SchemaSerializer)
    def get(self, request: Request, project: str, topic: str) -> Response:
        found = self.topic()
        schema = queries.schema(found)
        if schema is None:
            what = f"Messages of {found} are JSON" if found.subject else f"{found} takes messages of any form"
            raise NoSuchTopic(f"{what}; no schema is registered of them.")
        return Response(SchemaSerializer(schema).data)


class DeadLetters(generics.ListAPIView[DeadLetter], InTopic):
    """Messages that could not be used, newest first."""

    serializer_class = DeadLetterSerializer
    queryset = DeadLetter.objects.none()

    def get_queryset(self) -> QuerySet[DeadLetter]:
        return queries.dead_letters(self.topic())


class Messages(InTopic):
    @extend_schema(request=MessagesSerializer, responses={202: PublishedSerializer})
    def post(self, request: Request, project: str, topic: str) -> Response:
        """Add messages in order, all of them or none; they are kept when this answers. 409 for a serving's log."""
        access = self.reach(Scope.WRITE)
        found = queries.topic(access.project, topic)
        given = MessagesSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        values = given.values()
        services.publish(access=access, topic=found, values=values)
        return Response({"published": len(values)}, status=status.HTTP_202_ACCEPTED)


class SchemaVersions(InProject):
    @extend_schema(operation_id="projects_schemas_versions_list", responses=SchemaVersionsSerializer)
    def get(self, request: Request, project: str, subject: str) -> Response:
        """The versions of a subject's schema that are registered here, oldest first."""
        found = queries.versions(self.reach().project, subject)
        return Response({"subject": subject, "versions": [*found]})


class SchemaVersion(InProject):
    @extend_schema(responses=SchemaSerializer)
    def get(self, request: Request, project: str, subject: str, schema_version: str) -> Response:
        """One version of a subject's schema, by its number or the word latest."""
        found = queries.version(self.reach().project, subject, schema_version)
        return Response(SchemaSerializer(found).data)
