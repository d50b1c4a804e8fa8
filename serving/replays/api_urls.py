"""The API's addresses for replays, below a serving's."""

from django.urls import path

from serving.replays import api

urlpatterns = [
    path("", api.Replays.as_view()),
    path("<int:replay>/", api.ReplayDetail.as_view()),
    path("<int:replay>/calls/", api.ReplayedCalls.as_view()),
]
