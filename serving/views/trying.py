"""Try-it: sends a request to the serving as its gateway would and shows the answer."""

import json
import time
from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from accounts.models import Scope
from accounts.pages import PageRequest
from serving import examples, gateway
from serving.forms.trying import TryForm
from serving.models import Serving
from serving.views.loading import load

MOST_SHOWN = 100_000


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
    form = (
        TryForm(request.POST)
        if request.method == "POST"
        else TryForm(initial={"body": examples.body(serving)})
    )
    tried = _ask(request, serving, form) if form.is_valid() else None
    context = {"access": found, "serving": serving, "try_form": form, "tried": tried}
    return render(request, "serving/_answer.html" if request.htmx else "serving/try.html", context)


def _ask(request: PageRequest, serving: Serving, form: TryForm) -> Tried:
    began = time.perf_counter()
    answer = gateway.forward(
        serving,
        method="POST",
        path=f"v1/models/{serving.name}:{form.cleaned_data['verb']}",
        body=form.cleaned_data["body"].encode(),
        headers={"content-type": "application/json"},
        request_id=request.META["HOPYARD_REQUEST_ID"],
    )
    milliseconds = (time.perf_counter() - began) * 1000
    return Tried(answer.status, answer.error or _pretty(answer.body), milliseconds)


def _pretty(body: bytes) -> str:
    text = body[:MOST_SHOWN].decode(errors="replace")
    if len(body) > MOST_SHOWN:
        return f"{text}\n… {len(body) - MOST_SHOWN} more bytes"
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text
