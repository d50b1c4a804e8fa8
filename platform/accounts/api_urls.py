"""The API's addresses for people, projects, members and keys."""

from django.urls import path

from accounts import api

urlpatterns = [
    path("me/", api.Me.as_view()),
    path("login/", api.Login.as_view()),
    path("projects/", api.Projects.as_view()),
    path("projects/<str:project>/", api.ProjectDetail.as_view()),
    path("projects/<str:project>/members/", api.Members.as_view()),
    path("projects/<str:project>/members/<str:username>/", api.MemberDetail.as_view()),
    path("projects/<str:project>/api-keys/", api.ApiKeys.as_view()),
    path("projects/<str:project>/api-keys/<str:key_id>/", api.ApiKeyDetail.as_view()),
    path("projects/<str:project>/audit/", api.Audit.as_view()),
    path("projects/<str:project>/settings/", api.Settings.as_view()),
]
