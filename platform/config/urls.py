"""Every URL of the platform: pages, REST API, predictions."""

from django.urls import URLPattern, URLResolver, include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from accounts import openapi
from config.api import not_found
from config.health import health

__all__ = ["openapi", "urlpatterns"]  # drf-spectacular finds our keys once their scheme is imported

api: list[URLPattern | URLResolver] = [
    path("", include("accounts.api_urls")),
    path("projects/<str:project>/", include("models_registry.api_urls")),
    path("projects/<str:project>/", include("serving.api_urls")),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path(
        "docs/",
        SpectacularSwaggerSplitView.as_view(url_name="schema", http_method_names=["get", "head"]),
        name="api-docs",
    ),
    re_path(r"^.*$", not_found),
]

urlpatterns = [
    path("health/", health, name="health"),
    path("api/", include(api)),
    path("inference/", include("serving.inference_urls")),
    path("replicas/", include("serving.replica_documents.urls")),
    path("", include("accounts.urls")),
    path("projects/<str:project>/", include("models_registry.urls")),
    path("projects/<str:project>/", include("serving.urls")),
]

handler400 = "config.errors.bad_request"
handler403 = "config.errors.forbidden"
handler404 = "config.errors.page_not_found"
handler500 = "config.errors.server_error"
