"""The pages of servings; no fixed part stands where a name may."""

from django.urls import include, path

from serving.views import (
    actions,
    checking,
    comparing,
    detail,
    editing,
    exempting,
    listing,
    logs,
    rollout,
    trying,
)

urlpatterns = [
    path("", include("serving.environments.urls")),
    path("", include("serving.topics.urls")),
    path("servings/", listing.servings, name="servings"),
    path("preflights/<int:preflight>/", checking.preflight, name="preflight"),
    path("new-serving/", editing.create, name="serving-create"),
    path("servings/<str:name>/", detail.overview, name="serving"),
    path("servings/<str:name>/edit/", editing.edit, name="serving-edit"),
    path("servings/<str:name>/try/", trying.try_it, name="serving-try"),
    path("servings/<str:name>/openapi.json", trying.openapi, name="serving-openapi"),
    path("servings/<str:name>/logs/", logs.show, name="serving-logs"),
    path("servings/<str:name>/logs/<str:replica>/", logs.download, name="serving-log-download"),
    path("servings/<str:name>/history/", detail.history, name="serving-history"),
    path("servings/<str:name>/calls/", include("serving.records.urls")),
    path("servings/<str:name>/replays/", include("serving.replays.urls")),
    path("servings/<str:name>/compare/", comparing.compare, name="serving-compare"),
    path("servings/<str:name>/check-again/", checking.check_again, name="serving-check-again"),
    path("servings/<str:name>/start-anyway/", checking.start_anyway, name="serving-start-anyway"),
    path("servings/<str:name>/run/", actions.run, name="serving-run"),
    path("servings/<str:name>/stop/", actions.stop, name="serving-stop"),
    path("servings/<str:name>/scale/", rollout.scale, name="serving-scale"),
    path("servings/<str:name>/pace/", rollout.pace, name="serving-pace"),
    path("servings/<str:name>/canary/", rollout.canary, name="serving-canary"),
    path("servings/<str:name>/canary/promote/", rollout.promote, name="serving-promote"),
    path("servings/<str:name>/canary/withdraw/", rollout.withdraw, name="serving-withdraw"),
    path("servings/<str:name>/exemptions/", exempting.exemptions, name="serving-exemptions"),
    path("servings/<str:name>/roll-back/<int:number>/", actions.roll_back, name="serving-roll-back"),
    path("servings/<str:name>/delete/", actions.delete, name="serving-delete"),
]
