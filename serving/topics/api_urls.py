"""The API's addresses for topics and schemas, below /api/projects/<project>/."""

from django.urls import path

from serving.topics import api

TOPIC = "topics/<str:topic>/"

urlpatterns = [
    path("topics/", api.Topics.as_view()),
    path(TOPIC, api.TopicDetail.as_view()),
    path(f"{TOPIC}schema/", api.TopicSchema.as_view()),
    path(f"{TOPIC}dead-letters/", api.DeadLetters.as_view()),
    path(f"{TOPIC}messages/", api.Messages.as_view()),
    path("schemas/<str:subject>/versions/", api.SchemaVersions.as_view()),
    path("schemas/<str:subject>/versions/<str:schema_version>/", api.SchemaVersion.as_view()),
]
