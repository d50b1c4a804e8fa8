"""The REST API's defaults: one error shape, one kind of page."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.pagination import PageNumberPagination
from rest_framework.response import Response
from rest_framework.views import exception_handler

from accounts.services import AccountsError
from models_registry.errors import RegistryError
from models_registry.paths import BadPath
from models_registry.storage import StorageError
from serving.errors import ServingError


class Pages(PageNumberPagination):
    """`?page=` and `?page_size=`; the answer has `count`, `next`, `previous` and `items`."""

    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 1000

    def get_paginated_response(self, data: Any) -> Response:
        assert self.page is not None
        return Response(
            {
                "count": self.page.paginator.count,
                "next": self.get_next_link(),
                "previous": self.get_previous_link(),
                "items": data,
            }
        )

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["count", "next", "previous", "items"],
            "properties": {"count": {"type": "integer"}, "next": link, "previous": link, "items": schema},
        }


def error_body(
    code: str, message: str, request_id: str, fields: dict[str, list[str]] | None = None
) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "fields": fields or {}, "request_id": request_id}}


def error_answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """Every refusal as `{"error": {"code", "message", "fields", "request_id"}}`."""
    request_id = context["request"].META.get("HOPYARD_REQUEST_ID", "")
    ours = _ours(error)
    if ours is not None:
        status, code, message, fields = ours
        return Response(error_body(code, message, request_id, fields), status=status)
    response = exception_handler(error, context)
    if response is None:
        return None
    code, message, fields = _theirs(error)
    response.data = error_body(code, message, request_id, fields)
    return response


def _ours(error: Exception) -> tuple[int, str, str, dict[str, list[str]]] | None:
    """Status, code, message and fields of our own refusals."""
    match error:
        case ServingError():
            fields = {error.field: [str(error)]} if error.field else {}
            return error.status, error.code, str(error), fields
        case RegistryError():
            return error.status, error.code, str(error), {}
        case StorageError():
            return error.status, error.code, str(error), {}
        case BadPath():
            return 400, "bad_path", str(error), {}
        case AccountsError():
            return error.status, error.code, str(error), {}
        case Http404():
            return 404, "not_found", str(error) or "There is nothing at this address.", {}
        case PermissionDenied():
            return 403, "forbidden", str(error), {}
    return None


def _theirs(error: Exception) -> tuple[str, str, dict[str, list[str]]]:
    """Code, message and fields of the framework's refusals."""
    if isinstance(error, exceptions.ValidationError):
        fields = _flat(error.detail)
        first = next(iter(fields.items()), ("", ["The request is not valid."]))
        where = "" if first[0] in {"", "non_field_errors"} else f"{first[0]}: "
        return "invalid", f"{where}{first[1][0]}", fields
    if isinstance(error, exceptions.APIException):
        code = error.get_codes()
        return str(code), str(error.detail), {}
    return "refused", str(error), {}


def _flat(detail: Any, prefix: str = "") -> dict[str, list[str]]:
    """Nested validation errors as dotted field names."""
    if isinstance(detail, dict):
        flat: dict[str, list[str]] = {}
        for name, inner in detail.items():
            flat |= _flat(inner, f"{prefix}.{name}" if prefix else str(name))
        return flat
    messages = [str(each) for each in detail if not isinstance(each, dict)]
    return {prefix: messages} if messages else {}


@csrf_exempt
def not_found(request: HttpRequest) -> JsonResponse:
    """Whatever the method: a caller with a key has no CSRF token to be asked for."""
    body = error_body(
        "not_found",
        f"There is no {request.path}; the API is described at /api/docs/.",
        request.META.get("HOPYARD_REQUEST_ID", ""),
    )
    return JsonResponse(body, status=404)
