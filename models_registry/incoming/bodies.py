"""Reads a file, or a chunk of one, that is the raw body of a request, in pieces."""

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import IO, Any

from django.http import UnreadablePostError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from accounts.models import Project
from models_registry import leftovers, quota, storage
from models_registry.models import Blob

SHA256 = re.compile(r"[0-9a-fA-F]{64}")


class RawBody(BaseParser):
    """Leaves the body unread, whatever its type."""

    media_type = "*/*"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        return stream


@contextlib.contextmanager
def received(request: Request, project: Project) -> Iterator[Blob]:
    """The request's body, kept; an exception in here means that it gets no name.

    Raises StorageError when the project has no room for it or it is not as announced.
    """
    size, sha256 = announced_size(request), announced_sha256(request)
    quota.check(project, size, sha256=sha256 or "")
    blob, before = storage.keep(pieces(request), size=size, sha256=sha256)
    try:
        yield blob
    except BaseException:
        leftovers.drop(project, blob, is_new=before is None)
        raise


def announced_size(request: Request) -> int:
    announced = request.META.get("CONTENT_LENGTH")
    if not announced:
        raise storage.Incomplete("Send the file with a Content-Length.")
    return int(announced)


def announced_sha256(request: Request) -> str | None:
    sha256 = request.headers.get("X-Content-SHA256")
    if sha256 is not None and not SHA256.fullmatch(sha256):
        raise storage.WrongHash("X-Content-SHA256 must be the 64 hexadecimal digits of the body's sha256.")
    return sha256.lower() if sha256 else None


def pieces(request: Request) -> Iterator[bytes]:
    """The body in pieces; one that breaks off just ends, and the count tells."""
    with contextlib.suppress(UnreadablePostError):
        body: Any = request.data if announced_size(request) else None
        while body is not None and (piece := body.read(storage.CHUNK)):
            yield piece
