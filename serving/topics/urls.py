"""The pages of topics; no fixed part stands where a name may."""

from django.urls import path

from serving.topics import views

urlpatterns = [
    path("topics/", views.topics, name="topics"),
    path("new-topic/", views.create, name="topic-create"),
    path("topics/<str:topic>/", views.show, name="topic"),
    path("topics/<str:topic>/publish/", views.publish, name="topic-publish"),
    path("topics/<str:topic>/delete/", views.delete, name="topic-delete"),
    path("schemas/<str:subject>/<str:schema_version>/", views.schema, name="schema"),
]
