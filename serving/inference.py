"""`/inference/<project>/<serving>/…`: the gateway as a Django view, for one machine without a proxy."""

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    JsonResponse,
    StreamingHttpResponse,
    UnreadablePostError,
)
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from accounts import access, authentication, limits
from accounts.models import ApiKey, Member, Project, Scope
from serving import gateway, queries
from serving.errors import NoSuchServing
from serving.gateway import Answer

_MISSING = "Send an API key in the header Authorization: ApiKey <key>; the project's page API keys makes one."
_UNKNOWN = "This API key is unknown, expired or revoked; make a new one on the project's page API keys."


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"])
def inference(request: HttpRequest, project: str, serving: str, path: str) -> HttpResponseBase:
    """Check the key, then pass the rest of the path to a ready replica."""
    text = authentication.key_in(request.headers)
    key = authentication.find(text) if text else None
    if key is None:
        response = _error(request, 401, "NotAuthenticated", _UNKNOWN if text else _MISSING)
        response["WWW-Authenticate"] = "ApiKey"
        return response
    try:
        found = queries.asked(_project(key, project), serving)
    except NoSuchServing as error:
        return _error(request, 404, "NotFound", str(error))
    if limits.exceeds(key):
        return _limited(request, limits.of(key))
    most = settings.MAX_INFERENCE_BYTES
    size = None if _is_chunked(request) else int(request.META.get("CONTENT_LENGTH") or 0)
    body = _read(request, size, most)
    if len(body) > most or (size or 0) > most:
        return _error(request, 413, "TooLarge", f"A request may have at most {most // 1024**2} MB.")
    if size is not None and len(body) != size:
        return _error(
            request, 400, "Incomplete", "The request ended before all of it arrived; send it again."
        )
    answer = gateway.forward(
        found,
        method=request.method or "POST",
        path=path,
        query=request.META.get("QUERY_STRING", ""),
        body=body,
        headers=request.headers,
        request_id=request.META["HOPYARD_REQUEST_ID"],
        caller=key.id,
    )
    return _respond(request, answer)


def _project(key: ApiKey, name: str) -> Project:
    """The key's project if it is the asked one and the key may predict there."""
    member = (
        Member.objects.filter(project=key.project_id, user=key.user_id)
        .select_related("project", "user")
        .first()
    )
    if member is None or member.project.name != name:
        raise Http404(f"This API key does not belong to a project {name}.")
    if not access.of_member(member, key).can_predict:
        raise PermissionDenied(f"This API key lacks the scope “{Scope.PREDICT}”; make one that has it.")
    return member.project


def _limited(request: HttpRequest, limit: int) -> HttpResponse:
    said = f"This API key may send {limit} requests per second and sent more; try again soon."
    response = _error(request, 429, "TooManyRequests", said)
    response["Retry-After"] = "1"
    return response


def _is_chunked(request: HttpRequest) -> bool:
    return "chunked" in request.headers.get("Transfer-Encoding", "").lower()


def _read(request: HttpRequest, size: int | None, most: int) -> bytes:
    """The body, or of one that is too large nothing but a little too much."""
    if size is None:
        try:
            chunked: bytes = request.META["wsgi.input"].read(most + 1)
        except Exception as error:  # each server has its own for chunks that are none
            raise UnreadablePostError(str(error)) from error
        return chunked
    return request.read() if size <= most else b""


def _respond(request: HttpRequest, answer: Answer) -> HttpResponseBase:
    response: HttpResponseBase
    if answer.error:
        response = _error(request, answer.status, answer.code, answer.error)
    elif answer.stream is not None:
        response = StreamingHttpResponse(answer.stream, status=answer.status)
    else:
        response = HttpResponse(answer.body, status=answer.status)
    if not answer.error and "content-type" not in answer.headers:
        del response["Content-Type"]
    for name, value in answer.headers.items():
        response[name] = value
    return response


def _error(request: HttpRequest, status: int, code: str, message: str) -> HttpResponse:
    """The shape in which replicas report errors too."""
    body = {"error": message, "code": code, "request_id": request.META["HOPYARD_REQUEST_ID"]}
    return JsonResponse(body, status=status)
