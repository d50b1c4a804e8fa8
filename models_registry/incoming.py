"""Receives a file that is the raw body of a request, in pieces."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import IO, Any

from django.http import UnreadablePostError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from models_registry import storage
from models_registry.models import Blob

SHA256_LENGTH = 64


class RawBody(BaseParser):
    """Leaves the body unread, whatever its type."""

    media_type = "*/*"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        return stream


def receive(request: Request) -> Blob:
    """Keep the request's body; raises StorageError when it is not what the headers announced."""
    announced = request.META.get("CONTENT_LENGTH")
    if not announced:
        raise storage.Incomplete("Send the file with a Content-Length.")
    sha256 = request.headers.get("X-Content-SHA256")
    if sha256 is not None and len(sha256) != SHA256_LENGTH:
        raise storage.WrongHash("X-Content-SHA256 must be the 64 hexadecimal digits of the file's sha256.")
    size = int(announced)
    return storage.receive(_pieces(request) if size else (), size=size, sha256=sha256)


def _pieces(request: Request) -> Iterator[bytes]:
    """The body in pieces; one that breaks off just ends, and the count tells."""
    with contextlib.suppress(UnreadablePostError):
        body: Any = request.data
        while piece := body.read(storage.CHUNK):
            yield piece
