"""Undoes what a gateway changes, the caller's address, and does what an absent one would: routing by host."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

from serving import hosts


class GatewayMiddleware:
    """Reads the caller's address where only the gateway can have written it, which is on the web's own socket (there a
    peer has no address), and turns the host of a serving below the gateway's domain into the path that names the same
    serving.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        passed = request.META.get("HTTP_X_FORWARDED_FOR")
        if settings.BEHIND_GATEWAY and passed and not request.META.get("REMOTE_ADDR"):
            request.META["REMOTE_ADDR"] = passed.rpartition(",")[2].strip()
        host = hosts.below_domain(request.META.get("HTTP_HOST", ""))
        if host is None:
            return self.get_response(request)
        found = hosts.find(host)
        if found is None:
            return _missing(request, host)
        request.path = request.path_info = f"/inference/{found.project.name}/{found.name}{request.path_info}"
        return self.get_response(request)


def _missing(request: HttpRequest, host: str) -> HttpResponse:
    """As the gateway and the replicas say it."""
    body = {
        "error": f"There is no serving at the host {host}.",
        "code": "NotFound",
        "request_id": request.META["HOPYARD_REQUEST_ID"],
    }
    return JsonResponse(body, status=404)
