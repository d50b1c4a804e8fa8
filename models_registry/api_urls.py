"""The API's addresses for models and files, below /api/projects/<project>/."""

from django.urls import path

from models_registry import api

VERSION = "models/<str:model>/versions/<int:number>/"

urlpatterns = [
    path("models/", api.Models.as_view()),
    path("models/<str:model>/", api.ModelDetail.as_view()),
    path("models/<str:model>/best/", api.BestVersion.as_view()),
    path("models/<str:model>/uploads/", api.Uploads.as_view()),
    path(VERSION, api.VersionDetail.as_view()),
    path(f"{VERSION}files/<path:path>", api.VersionFile.as_view()),
    path("uploads/<uuid:upload>/", api.UploadDetail.as_view()),
    path("uploads/<uuid:upload>/files/<path:path>", api.UploadFile.as_view()),
    path("uploads/<uuid:upload>/copy/", api.UploadCopy.as_view()),
    path("uploads/<uuid:upload>/finalise/", api.UploadFinalise.as_view()),
    path("files/", api.Files.as_view()),
    path("files/<path:path>", api.FileDetail.as_view()),
]
