"""Answers when something goes wrong: a page for people, the API's shape under /api/ and /inference/."""

import logging
from collections.abc import Callable

from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.shortcuts import render

from config.api import error_body
from models_registry.storage import StorageError

log = logging.getLogger(__name__)

FOR_PROGRAMS = ("/api/", "/inference/", "/replicas/")


class SentenceMiddleware:
    """Turns faults of the connection, the size or the database into sentences instead of a 500."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "\0" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
            return answer(request, 400, "An address may not hold the character NUL.")
        if request.headers.get("Transfer-Encoding") and not request.path.startswith("/inference/"):
            return answer(request, 411, "Send the request with a Content-Length instead of in chunks.")
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        match error:
            case UnreadablePostError():
                return answer(request, 400, "The request ended before all of it arrived; send it again.")
            case RequestDataTooBig():
                return answer(request, 413, "The form is too large; upload files as files.")
            case StorageError():
                return answer(request, error.status, str(error))
            case OperationalError():
                log.exception("The database did not answer")
                return answer(request, 503, "The database is busy or away; try again in a moment.")
        return None


def answer(request: HttpRequest, status: int, message: str) -> HttpResponse:
    request_id = request.META.get("HOPYARD_REQUEST_ID", "")
    code = CODES.get(status, "refused")
    if request.path.startswith("/inference/"):  # as the replicas say it
        flat = {"error": message, "code": code.title().replace("_", ""), "request_id": request_id}
        return JsonResponse(flat, status=status)
    if request.path.startswith(FOR_PROGRAMS):
        return JsonResponse(error_body(code, message, request_id), status=status)
    template = f"{status}.html" if status in {400, 403, 404} else "400.html"
    context = {"title": TITLES.get(status, "That did not work"), "message": message, "request_id": request_id}
    return render(request, template, context, status=status)


CODES = {
    400: "bad_request",
    403: "forbidden",
    404: "not_found",
    411: "length_required",
    413: "too_large",
    500: "internal",
    503: "unavailable",
    507: "storage_full",
}
TITLES = {
    400: "That request did not make sense",
    403: "Not yours to do",
    404: "Nothing here",
    413: "Too large",
    503: "Not just now",
    507: "No room left",
}


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    is_ours = isinstance(exception, BadRequest) or not isinstance(exception, SuspiciousOperation)
    message = str(exception) if is_ours and str(exception) else "The request could not be understood."
    return answer(request, 400, message)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(request, 403, str(exception) or "You may not do this; ask an owner of the project.")


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    said = str(exception) if exception.args and isinstance(exception.args[0], str) else ""
    return answer(request, 404, said or f"There is no {request.path}.")


def server_error(request: HttpRequest) -> HttpResponse:
    request_id = request.META.get("HOPYARD_REQUEST_ID", "")
    message = f"Something broke on our side. The log has it under the request id {request_id}."
    if request.path.startswith(FOR_PROGRAMS):
        return JsonResponse(error_body("internal", message, request_id), status=500)
    return render(request, "500.html", {"title": "Our fault", "message": message}, status=500)
