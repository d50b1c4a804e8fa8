"""The API's addresses for servings, below /api/projects/<project>/."""

from django.urls import include, path

from serving import api, compare_api, logs_api, preflight_api, rollout_api

SERVING = "servings/<str:name>/"

urlpatterns = [
    path("", include("serving.environments.api_urls")),
    path("", include("serving.topics.api_urls")),
    path("servings/", api.Servings.as_view()),
    path(SERVING, api.ServingDetail.as_view()),
    path(f"{SERVING}start/", api.Start.as_view()),
    path(f"{SERVING}stop/", api.Stop.as_view()),
    path(f"{SERVING}scale/", rollout_api.Scale.as_view()),
    path(f"{SERVING}pace/", rollout_api.Pace.as_view()),
    path(f"{SERVING}canary/", rollout_api.Canary.as_view()),
    path(f"{SERVING}canary/promote/", rollout_api.Promote.as_view()),
    path(f"{SERVING}exemptions/", rollout_api.Exemptions.as_view()),
    path(f"{SERVING}preflight/", preflight_api.ServingPreflight.as_view()),
    path("preflights/", preflight_api.PreflightCheck.as_view()),
    path("preflights/<int:preflight>/", preflight_api.PreflightDetail.as_view()),
    path(f"{SERVING}revisions/", api.Revisions.as_view()),
    path(f"{SERVING}revisions/compare/", compare_api.Compare.as_view()),
    path(f"{SERVING}revisions/<int:number>/rollback/", api.Rollback.as_view()),
    path(f"{SERVING}replicas/", api.Replicas.as_view()),
    path(f"{SERVING}events/", api.Events.as_view()),
    path(f"{SERVING}logs/", logs_api.Logs.as_view()),
    path(f"{SERVING}logs/<str:replica>/", logs_api.WholeLog.as_view()),
    path(f"{SERVING}inference-records/", include("serving.records.api_urls")),
    path(f"{SERVING}replays/", include("serving.replays.api_urls")),
]
