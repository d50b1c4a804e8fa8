"""The pages of replays, below a serving's."""

from django.urls import path

from serving.replays import views

urlpatterns = [
    path("", views.replays, name="serving-replays"),
    path("<int:replay>/", views.replay, name="serving-replay"),
    path("<int:replay>/end/", views.end, name="serving-replay-end"),
]
