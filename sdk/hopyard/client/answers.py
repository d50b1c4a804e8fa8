"""An HTTP answer into a value or into the error it means. Pure: no network here."""

from __future__ import annotations

import re
from typing import Any

import httpx

from hopyard.client import errors
from hopyard.client.errors import ApiError, ServerError

KINDS: dict[int, type[ApiError]] = {
    400: errors.BadRequest,
    401: errors.NotAuthenticated,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Conflict,
    413: errors.TooLarge,
    422: errors.BadRequest,
}
CODES: dict[str, type[ApiError]] = {
    "preflight_failed": errors.PreflightFailed,
    "files_refused": errors.FilesRefused,
}
MARKUP = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)


def value_of(response: httpx.Response) -> Any:
    """The JSON of a good answer. Raises ServerError when it holds none."""
    try:
        return response.json()
    except ValueError:
        raise _stranger(response, "not_json") from None


def error_of(response: httpx.Response) -> ApiError:
    """The error a refusing answer means.

    Reads the API's `{"error": {"code", "message", "fields", "request_id"}}` and the prediction path's
    `{"error": sentence or object, "code", "request_id"}`.
    """
    if response.is_redirect:
        return _redirect(response)
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict) or not body.keys() & {"error", "detail"}:
        return _stranger(response, "not_json" if body is None else "unexpected_answer")
    said = body.get("error", body.get("detail"))
    details = {**body, **said} if isinstance(said, dict) else body
    code = str(details.get("code") or "error")
    return _kind(response.status_code, code)(
        response.status_code,
        code,
        _message(said, response),
        _fields(details.get("fields")),
        _text(details.get("request_id")) or response.headers.get("X-Request-ID"),
    )


def _kind(status: int, code: str) -> type[ApiError]:
    if status == 409 and code in CODES:
        return CODES[code]
    return ServerError if status >= 500 else KINDS.get(status, ApiError)


def _message(said: Any, response: httpx.Response) -> str:
    if isinstance(said, dict):
        said = said.get("message") or said.get("detail") or said.get("error") or said
    return str(said) if said else f"{response.status_code} {response.reason_phrase}"


def _fields(found: Any) -> dict[str, list[str]]:
    if not isinstance(found, dict):
        return {}
    return {
        str(name): [str(each) for each in said] if isinstance(said, list) else [str(said)]
        for name, said in found.items()
    }


def _text(value: Any) -> str | None:
    return str(value) if value else None


def _stranger(response: httpx.Response, code: str) -> ApiError:
    """What answered is not the API: a proxy's page, another program. Its 404 is no NotFound of ours."""
    kind = errors.TooLarge if response.status_code == 413 else ServerError
    url = response.request.url
    said = first_words(response.text)
    message = f"{url.scheme}://{url.netloc.decode()}{url.path} did not answer as Hopyard does: {said}"
    return kind(response.status_code, code, message, None, response.headers.get("X-Request-ID"))


def _redirect(response: httpx.Response) -> ApiError:
    """Not followed: the next address may be another host, which must not get the key."""
    message = f"The platform has moved to {response.headers['Location']}: use that address as the url."
    return ApiError(response.status_code, "redirected", message)


def first_words(text: str, limit: int = 120) -> str:
    """The start of a body as one readable line, without markup."""
    line = " ".join(MARKUP.sub(" ", text[:20_000]).split())
    if not line:
        return "(an empty answer)"
    return f'"{line if len(line) <= limit else line[:limit].rsplit(" ", 1)[0] + " …"}"'
