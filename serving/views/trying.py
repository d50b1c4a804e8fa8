"""Try-it: sends a request to the serving as its gateway would and shows the answer."""

import contextlib
import json
import time
from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_safe

from accounts.models import Scope
from accounts.pages import PageRequest
from serving import examples, gateway
from serving.forms.trying import TryForm, Verb
from serving.gateway import Answer
from serving.models import Serving
from serving.views.loading import load

MOST_SHOWN = 100_000
LONGEST_STREAM_SECONDS = 20.0


@dataclass(frozen=True)
class Tried:
    """What came back, ready to be shown."""

    status: int
    text: str
    milliseconds: float

    @property
    def is_good(self) -> bool:
        return self.status < 400


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def try_it(request: PageRequest, project: str, name: str) -> HttpResponse:
    found, serving = load(request, project, name, needs=Scope.PREDICT)
    bodies = examples.bodies(serving)
    if request.method == "POST":
        form = TryForm(request.POST, bodies=bodies, verb=request.POST.get("verb", ""))
        template = "serving/_answer.html"
    else:
        form = TryForm(bodies=bodies, verb=request.GET.get("verb", Verb.PREDICT))
        template = "serving/_try.html"
    tried = _ask(request, serving, form) if form.is_valid() else None
    context = {"access": found, "serving": serving, "try_form": form, "tried": tried}
    return render(request, template if request.htmx else "serving/try.html", context)


@login_required
@require_safe
def openapi(request: PageRequest, project: str, name: str) -> HttpResponse:
    """The description that the replicas give of their model. Whatever they say, it is shown as JSON."""
    _, serving = load(request, project, name, needs=Scope.PREDICT)
    answer = gateway.forward(
        serving,
        method="GET",
        path="openapi.json",
        body=b"",
        headers={},
        request_id=request.META["HOPYARD_REQUEST_ID"],
    )
    if answer.error:
        return JsonResponse({"error": answer.error, "code": answer.code}, status=answer.status)
    return HttpResponse(_content(answer), status=answer.status, content_type="application/json")


def _ask(request: PageRequest, serving: Serving, form: TryForm) -> Tried:
    began = time.perf_counter()
    answer = gateway.forward(
        serving,
        method="POST",
        path=_path(serving, form.cleaned_data["verb"]),
        body=form.cleaned_data["body"].encode(),
        headers={"content-type": "application/json"},
        request_id=request.META["HOPYARD_REQUEST_ID"],
    )
    text = answer.error or _pretty(_content(answer))
    milliseconds = (time.perf_counter() - began) * 1000
    return Tried(answer.status, text, milliseconds)


def _path(serving: Serving, verb: str) -> str:
    if verb == Verb.INFER:
        return f"v2/models/{serving.name}/infer"
    return f"v1/models/{serving.name}:{verb}"


def _content(answer: Answer) -> bytes:
    """The body; of a stream what came before it broke off, grew too long or took too long."""
    if answer.stream is None:
        return answer.body
    content = b""
    deadline = time.monotonic() + LONGEST_STREAM_SECONDS
    with contextlib.closing(answer.stream) as stream, contextlib.suppress(OSError):
        for piece in stream:
            content += piece
            if len(content) > MOST_SHOWN or time.monotonic() > deadline:
                break
    return content


def _pretty(body: bytes) -> str:
    text = body[:MOST_SHOWN].decode(errors="replace")
    if len(body) > MOST_SHOWN:
        return f"{text}\n… {len(body) - MOST_SHOWN} more bytes"
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text
