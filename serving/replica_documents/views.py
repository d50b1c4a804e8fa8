"""`/replicas/…`: the documents themselves. No part of the public API: the model server is the only caller."""

import hashlib
import json
from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from serving.models import Serving
from serving.replica_documents import bundle, entrance, records, tokens
from serving.replica_documents import predictors as ready
from serving.replica_documents.entrance import error

View = Callable[..., HttpResponseBase]


def for_replicas(view: Callable[..., HttpResponseBase]) -> View:
    """Give the view the serving whose token the caller has, in place of its key."""

    @wraps(view)
    def guarded(request: HttpRequest, key: str, **options: object) -> HttpResponseBase:
        try:
            serving = entrance.serving(request, key)
        except entrance.Refused:
            return entrance.refusal(request)
        return view(request, serving, **options)

    return guarded


@require_GET
def files(request: HttpRequest) -> HttpResponseBase:
    """The tar that a token names: the artifact, its manifest, and the scripts beside it."""
    try:
        found = bundle.members(tokens.read(request.GET.get("token", "")))
    except tokens.Expired:
        return error(
            request, 403, "expired", "This address is too old; a replica that starts anew gets another."
        )
    except tokens.Forged:
        return entrance.refusal(request)
    except bundle.Gone as gone:
        return error(request, 410, "gone", str(gone))
    return StreamingHttpResponse(
        bundle.stream(found),
        content_type="application/x-tar",
        headers={"Content-Length": str(bundle.length(found)), "Cache-Control": "no-store"},
    )


@csrf_exempt
@require_POST
@for_replicas
def take_records(request: HttpRequest, serving: Serving) -> HttpResponseBase:
    """Inference records as lines of JSON; 204 once all of them are kept."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > records.MOST_BYTES:
        most = f"{records.MOST_BYTES // 1024**2} MB"
        return error(request, 413, "too_large", f"Send at most {most} of records at a time.")
    try:
        records.keep(serving, request.body)
    except records.BadRecords as bad:
        return error(request, 400, "bad_records", str(bad))
    except records.NotKept as problem:
        return error(request, 503, "unavailable", str(problem))
    return HttpResponse(status=204)


@require_GET
@for_replicas
def predictors(request: HttpRequest, serving: Serving, revision: int) -> HttpResponseBase:
    """Where the ready predictors of a revision answer, a JSON list of `host:port`."""
    body = json.dumps(ready.addresses(serving, revision)).encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    response = get_conditional_response(request, etag=etag) or HttpResponse(
        body, content_type="application/json"
    )
    response["ETag"] = etag
    return response
