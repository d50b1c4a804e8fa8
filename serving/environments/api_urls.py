"""The API's addresses for environments, below /api/projects/<project>/."""

from django.urls import path

from serving.environments import api

urlpatterns = [
    path("environments/", api.Environments.as_view()),
    path("environments/<str:key>/", api.EnvironmentDetail.as_view()),
    path("environments/<str:key>/verify/", api.Verify.as_view()),
    path("environments/<str:key>/rebuild/", api.Rebuild.as_view()),
    path("interpreters/", api.Interpreters.as_view()),
]
