"""The pages of models, versions and files; no fixed part stands where a name may."""

from django.urls import include, path

from models_registry import file_views, views
from models_registry.versions import views as version_views

VERSION = "models/<str:model>/<int:number>/"

urlpatterns = [
    path("models/", views.models, name="models"),
    path("models/<str:model>/", views.model, name="model"),
    path("models/<str:model>/delete/", views.delete_model, name="model-delete"),
    path("models/<str:model>/compare/", version_views.compare, name="model-compare"),
    path(VERSION, version_views.version, name="model-version"),
    path(f"{VERSION}describe/", version_views.describe, name="version-describe"),
    path(f"{VERSION}aliases/", version_views.put_alias, name="version-alias"),
    path(f"{VERSION}aliases/<slug:alias>/remove/", version_views.remove_alias, name="version-alias-remove"),
    path(f"{VERSION}tags/", version_views.put_tag, name="version-tag"),
    path(f"{VERSION}tags/<str:name>/remove/", version_views.remove_tag, name="version-tag-remove"),
    path(f"{VERSION}delete/", views.delete_version, name="version-delete"),
    path(
        f"{VERSION}artifacts/<int:artifact_id>/download/", views.download_artifact, name="artifact-download"
    ),
    path(f"{VERSION}download/", views.download_version, name="version-download"),
    path("", include("models_registry.safety.urls")),
    path("export/", views.export, name="model-export"),
    path("resources/", file_views.resources, name="resources"),
    path("files/<path:path>", file_views.download, name="file-download"),
    path("delete-file/<path:path>", file_views.delete, name="file-delete"),
]
