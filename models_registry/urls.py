"""The pages of models, versions and files; no fixed part stands where a name may."""

from django.urls import path

from models_registry import file_views, views

urlpatterns = [
    path("models/", views.models, name="models"),
    path("models/<str:model>/", views.model, name="model"),
    path("models/<str:model>/delete/", views.delete_model, name="model-delete"),
    path("models/<str:model>/<int:number>/", views.version, name="model-version"),
    path("models/<str:model>/<int:number>/delete/", views.delete_version, name="version-delete"),
    path("models/<str:model>/<int:number>/download/", views.download_version, name="version-download"),
    path("export/", views.export, name="model-export"),
    path("resources/", file_views.resources, name="resources"),
    path("files/<path:path>", file_views.download, name="file-download"),
    path("delete-file/<path:path>", file_views.delete, name="file-delete"),
]
