"""How replicas get in: by whatever address their network gives this machine, and with their serving's token."""

import hmac
import math
import re
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from rest_framework.throttling import SimpleRateThrottle

from serving.models import Serving

PREFIX = "/replicas/"
KEY = re.compile(r".+-([0-9]{1,18})", re.ASCII)


class Refused(Exception):
    """The caller is no replica of a serving of ours."""


class Throttle(SimpleRateThrottle):
    """Counts refusals by address."""

    rate = "30/min"

    def get_cache_key(self, request: Any, view: Any) -> str:
        return f"replicas-refused-{self.get_ident(request)}"


class ReplicaAddressMiddleware:
    """Lets replicas use the address they know, which is in nobody's list of hosts, for their documents alone; and what
    comes to the port that is theirs gets nothing else.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith(PREFIX):
            host = settings.PUBLIC_HOST
            request.META["HTTP_HOST"] = f"[{host}]" if ":" in host else host
        elif _came_to_their_port(request):
            return error(request, 404, "not_found", f"This port answers below {PREFIX} only.")
        return self.get_response(request)


def serving(request: HttpRequest, key: str) -> Serving:
    """The serving of that key, if the caller has its token. Raises Refused, for a wrong key as for a wrong token."""
    match = KEY.fullmatch(key)
    found = (
        Serving.objects.filter(pk=match[1], is_deleted=False).select_related("project").first()
        if match
        else None
    )
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    expected = found.gateway_token if found is not None and found.key == key else ""
    is_right = hmac.compare_digest(given.strip().encode(), expected.encode())
    if found is None or not expected or not is_right or scheme.lower() != "bearer":
        raise Refused
    return found


def refusal(request: HttpRequest) -> HttpResponseBase:
    """401, and 429 to an address that has been refused often in the last minute."""
    throttle = Throttle()
    if throttle.allow_request(request, None):  # type: ignore[arg-type]
        response = error(
            request, 401, "not_authenticated", "This is for replicas, with their serving's token."
        )
        response["WWW-Authenticate"] = "Bearer"
        return response
    response = error(request, 429, "throttled", "Refused too often; try again in a minute.")
    response["Retry-After"] = str(math.ceil(throttle.wait() or 1))
    return response


def error(request: HttpRequest, status: int, code: str, message: str) -> JsonResponse:
    """An error in the shape of the REST API."""
    request_id = request.META.get("HOPYARD_REQUEST_ID", "")
    said = {"code": code, "message": message, "fields": {}, "request_id": request_id}
    return JsonResponse({"error": said}, status=status)


def _came_to_their_port(request: HttpRequest) -> bool:
    port = str(settings.CONTROL_PORT)
    return request.META.get("SERVER_PORT") == port and not settings.BIND.endswith(f":{port}")
