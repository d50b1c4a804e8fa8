"""Gives every request an id, which error answers and the inference log repeat."""

import re
import uuid
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

SANE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


class RequestIdMiddleware:
    """Keeps the caller's `X-Request-Id` where it is sane and echoes the id on the answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        asked = request.headers.get("X-Request-Id", "")
        request.META["HOPYARD_REQUEST_ID"] = asked if SANE.fullmatch(asked) else uuid.uuid4().hex
        response = self.get_response(request)
        response.headers.setdefault("X-Request-Id", request.META["HOPYARD_REQUEST_ID"])
        return response
