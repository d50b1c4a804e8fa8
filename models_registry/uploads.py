"""Receives the files of a form with their paths inside a chosen folder, and makes a model version of them."""

import contextlib
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast

from django.conf import settings
from django.core.exceptions import BadRequest, TooManyFilesSent
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, TemporaryFileUploadHandler
from django.http import HttpResponse, QueryDict
from django.http.multipartparser import MultiPartParser
from django.utils.datastructures import MultiValueDict
from django.views.decorators.csrf import csrf_protect

from accounts.access import Access
from accounts.pages import PageRequest
from models_registry import archives, quota, services, storage
from models_registry.errors import NoSuchThing
from models_registry.gathering import Gathering
from models_registry.models import ModelVersion, ProjectFile


class PathKeepingParser(MultiPartParser):
    """Django's parser cuts folders off file names; here `paths.clean` judges the whole path later."""

    def sanitize_file_name(self, file_name: str) -> str | None:
        return file_name or None


class PathKeepingHandler(TemporaryFileUploadHandler):
    """Streams each file to disk and gives it the attribute `sent_path`, which UploadedFile.name cannot hold."""

    def new_file(self, field_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        self.sent_path = file_name
        super().new_file(field_name, "upload", *args, **kwargs)

    def file_complete(self, file_size: int) -> "UploadedFile[Any] | None":
        file = super().file_complete(file_size)
        if file is not None:
            file.sent_path = self.sent_path  # type: ignore[attr-defined]
        return file


class FolderUploadHandler(FileUploadHandler):
    """Parses the request's body with the two classes above."""

    def handle_raw_input(
        self,
        input_data: Any,
        META: dict[str, Any],  # noqa: N803 - Django's name
        content_length: int,
        boundary: Any,
        encoding: str | None = None,
    ) -> tuple[QueryDict, "MultiValueDict[str, UploadedFile[Any]]"]:
        handlers = [PathKeepingHandler(self.request)]
        return PathKeepingParser(META, input_data, handlers, encoding).parse()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        return raw_data

    def file_complete(self, file_size: int) -> "UploadedFile[Any] | None":
        return None


def received(request: PageRequest, view: Callable[..., HttpResponse], found: Access) -> HttpResponse:
    """Read the form's files, then answer with `view`; call this once the person is known to have the right.

    The CSRF check reads the body, so it must come after the choice of the handler: the page's view is
    csrf_exempt and this makes up for it.
    """
    settings.FILE_UPLOAD_TEMP_DIR.mkdir(parents=True, exist_ok=True)
    if request.method == "POST":
        quota.check(found.project, int(request.META.get("CONTENT_LENGTH") or 0))
    request.upload_handlers = [FolderUploadHandler(request)]
    try:
        return csrf_protect(view)(request, found)
    except TooManyFilesSent:
        most = settings.DATA_UPLOAD_MAX_NUMBER_FILES
        raise BadRequest(
            f"A form takes at most {most} files; use the Python client, or pack them together."
        ) from None
    except OSError as error:
        if error.errno in storage.FULL:
            raise storage.StorageFull(
                "The platform's disk is full; ask its administrator to make room."
            ) from error
        raise


def path_in_folder(file: TemporaryUploadedFile) -> str:
    """The file's path inside the folder that was chosen, whose own name comes first."""
    first, _, rest = sent_path(file).partition("/")
    return rest or first


def sent_path(file: "UploadedFile[Any]") -> str:
    return str(getattr(file, "sent_path", file.name))


def file_name(file: "UploadedFile[Any]") -> str:
    return PurePosixPath(sent_path(file)).name


def export(
    *,
    access: Access,
    wanted: dict[str, Any],
    files: Iterable[tuple[str, TemporaryUploadedFile]],
    unpack: bool = False,
) -> ModelVersion:
    """Make a version of (path, file) pairs; whatever goes wrong leaves nothing behind."""
    draft = services.start_upload(access=access, **wanted)
    try:
        with Gathering(access.project) as gathered:
            for path, file in files:
                _gather(gathered, path, file, unpack=unpack)
            services.add_files(draft=draft, found=gathered.found)
        return services.finalise(access=access, draft=draft)
    except BaseException:
        with contextlib.suppress(NoSuchThing):
            services.discard(draft=draft)
        raise


def keep(
    *, access: Access, files: Iterable[TemporaryUploadedFile], folder: str, unpack: bool = False
) -> list[ProjectFile]:
    """Keep files, or what archives among them hold, in a folder below Resources/; all or none."""
    with Gathering(access.project) as gathered:
        for file in files:
            _gather(gathered, f"{folder}/{file_name(file)}", file, unpack=unpack)
        return services.save_files(access=access, found=gathered.found)


def _gather(gathered: Gathering, path: str, file: TemporaryUploadedFile, *, unpack: bool) -> None:
    folder, _, name = path.rpartition("/")
    if unpack and archives.is_archive(name):
        gathered.unpack(cast(BinaryIO, file.file), name, folder)
    else:
        gathered.add(path, file.chunks())
