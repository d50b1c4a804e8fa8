"""Sends files, versions and artifacts without holding them in memory, and never for a browser to show."""

import zipfile
from collections.abc import Iterable, Iterator
from io import RawIOBase
from typing import Any, BinaryIO, Self, TypeVar

from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header
from rest_framework.request import Request

from models_registry import ranges, storage
from models_registry.models import Artifact, ArtifactFile, Blob, ModelVersion, ProjectFile

R = TypeVar("R", bound=HttpResponseBase)


def file(request: HttpRequest | Request, found: ProjectFile | ArtifactFile) -> HttpResponseBase:
    """The file or the range of it that is asked for; raises storage.StorageAway if its bytes are gone."""
    etag = f'"{found.blob_id}"'
    response = get_conditional_response(request, etag=etag) or _part(request, found, etag)
    response["ETag"] = etag
    response["Accept-Ranges"] = "bytes"
    response["X-Content-SHA256"] = found.blob_id
    return _never_shown(response, found.path.rsplit("/", 1)[-1])


def version(found: ModelVersion) -> StreamingHttpResponse:
    """All files of a version as a zip named `<model>_<version>.zip`, packed while it is sent."""
    files = found.files.select_related("blob").order_by("path")
    return _archive(f"{found.model}_{found.number}", [(each.path, each.blob) for each in files])


def artifact(found: Artifact) -> StreamingHttpResponse:
    """An artifact as a zip named `<model>_<version>_<number>.zip`, whose one top folder is `<number>/`."""
    files = found.files.select_related("blob").order_by("path")
    return _archive(found.name, [(f"{found.number}/{each.path}", each.blob) for each in files])


def _part(request: HttpRequest | Request, found: ProjectFile | ArtifactFile, etag: str) -> HttpResponseBase:
    size = found.blob.size
    asked = request.headers.get("Range", "") if request.method == "GET" else ""
    try:
        part = ranges.wanted(asked, size, condition=request.headers.get("If-Range", ""), etag=etag)
    except ranges.Unsatisfiable:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    body = _opened(found)
    if part is None:
        return FileResponse(body, headers={"Content-Length": str(size)})
    body.seek(part.start)
    return StreamingHttpResponse(
        _Section(body, len(part)),
        status=206,
        headers={
            "Content-Range": f"bytes {part.start}-{part.stop - 1}/{size}",
            "Content-Length": str(len(part)),
        },
    )


def _opened(found: ProjectFile | ArtifactFile) -> BinaryIO:
    try:
        return storage.open(found.blob_id)
    except OSError as error:
        raise storage.StorageAway(
            f"The bytes of {found.path} cannot be read just now. Try again; if it stays so, tell the administrator."
        ) from error


class _Section:
    """The next `left` bytes of a file in pieces. Not a generator, since one that never began closes nothing."""

    def __init__(self, body: BinaryIO, left: int) -> None:
        self.body = body
        self.left = left
        self.close = body.close

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        piece = self.body.read(min(self.left, storage.CHUNK))
        if not piece:
            raise StopIteration
        self.left -= len(piece)
        return piece


def _never_shown(response: R, name: str, content_type: str = "application/octet-stream") -> R:
    """Whatever the bytes are, a browser saves them, guesses nothing and runs nothing."""
    response["Content-Type"] = content_type
    response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox"
    return response


def _archive(name: str, files: Iterable[tuple[str, Blob]]) -> StreamingHttpResponse:
    response = StreamingHttpResponse(_zip(files))
    return _never_shown(response, f"{name}.zip", "application/zip")


class _Sink(RawIOBase):
    """Takes what zipfile writes and gives it away in pieces."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken, self.pieces = b"".join(self.pieces), []
        return taken


def _zip(files: Iterable[tuple[str, Blob]]) -> Iterator[bytes]:
    sink = _Sink()
    with zipfile.ZipFile(sink, "w") as archive:
        for path, blob in files:
            with archive.open(zipfile.ZipInfo(path), "w", force_zip64=True) as entry:
                for piece in storage.read(blob):
                    entry.write(piece)
                    yield sink.take()
    yield sink.take()
