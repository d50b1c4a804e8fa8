"""Sends files and whole versions to the browser or client without holding them in memory."""

import zipfile
from collections.abc import Iterable, Iterator
from io import RawIOBase
from typing import Any
from urllib.parse import quote

from django.http import FileResponse, StreamingHttpResponse

from models_registry import storage
from models_registry.models import ModelVersion, ProjectFile


def file(found: ProjectFile) -> FileResponse:
    """The file as an attachment, never shown or guessed at by the browser."""
    name = found.path.rsplit("/", 1)[-1]
    response = FileResponse(
        storage.path_of(found.blob_id).open("rb"),
        as_attachment=True,
        filename=name,
        content_type="application/octet-stream",
    )
    response["X-Content-Type-Options"] = "nosniff"
    response["X-Content-SHA256"] = found.blob_id
    return response


def version(found: ModelVersion) -> StreamingHttpResponse:
    """All files of a version as a zip named `<model>_<version>.zip`, packed while it is sent."""
    files = list(found.files.select_related("blob").order_by("path"))
    response = StreamingHttpResponse(_zip(files), content_type="application/zip")
    response["Content-Disposition"] = (
        f"attachment; filename*=UTF-8''{quote(f'{found.model}_{found.number}.zip')}"
    )
    response["X-Content-Type-Options"] = "nosniff"
    return response


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


def _zip(files: Iterable[ProjectFile]) -> Iterator[bytes]:
    sink = _Sink()
    with zipfile.ZipFile(sink, "w") as archive:
        for each in files:
            with archive.open(zipfile.ZipInfo(each.path), "w", force_zip64=True) as entry:
                for piece in storage.read(each.blob):
                    entry.write(piece)
                    yield sink.take()
    yield sink.take()
