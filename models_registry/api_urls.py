"""The API's addresses for models and files, below /api/projects/<project>/."""

from django.urls import include, path

from models_registry import api, artifact_api
from models_registry.incoming import api as incoming
from models_registry.versions import api as version_api

VERSION = "models/<str:model>/versions/<int:number>/"
CALLED = "models/<str:model>/versions/<slug:alias>/"

urlpatterns = [
    path("models/", api.Models.as_view()),
    path("models/<str:model>/", api.ModelDetail.as_view()),
    path("models/<str:model>/best/", api.BestVersion.as_view()),
    path("models/<str:model>/uploads/", api.Uploads.as_view()),
    path(VERSION, api.VersionDetail.as_view()),
    path(f"{VERSION}files/<path:path>", api.VersionFile.as_view()),
    path(f"{VERSION}artifacts/", artifact_api.Artifacts.as_view()),
    path(f"{VERSION}artifacts/<slug:artifact>/", artifact_api.ArtifactDetail.as_view()),
    path(f"{VERSION}artifacts/<slug:artifact>/download/", artifact_api.ArtifactDownload.as_view()),
    path(f"{VERSION}tags/<str:name>/", version_api.VersionTag.as_view()),
    path(CALLED, version_api.CalledVersion.as_view()),
    path(f"{CALLED}files/<path:path>", version_api.CalledVersionFile.as_view()),
    path("models/<str:model>/aliases/<slug:alias>/", version_api.ModelAlias.as_view()),
    path("models/<str:model>/compare/", version_api.Compare.as_view()),
    path("uploads/<uuid:upload>/", api.UploadDetail.as_view()),
    path("uploads/<uuid:upload>/files/<path:path>", api.UploadFile.as_view()),
    path("uploads/<uuid:upload>/copy/", api.UploadCopy.as_view()),
    path("uploads/<uuid:upload>/finalise/", api.UploadFinalise.as_view()),
    path("incoming/", incoming.IncomingFiles.as_view()),
    path("incoming/<uuid:incoming>/", incoming.IncomingDetail.as_view()),
    path("incoming/<uuid:incoming>/chunks/<int:chunk>/", incoming.IncomingChunk.as_view()),
    path("incoming/<uuid:incoming>/complete/", incoming.IncomingComplete.as_view()),
    path("", include("models_registry.safety.api_urls")),
    path("files/", api.Files.as_view()),
    path("files/<path:path>", api.FileDetail.as_view()),
]
