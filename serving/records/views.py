"""The pages of the calls of a serving: found by filters, drawn over time, one in full, exported."""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.pages import PageRequest
from serving.errors import NoSuchServing, ServingError
from serving.models import Serving
from serving.records import answers, charts, exports, queries, showing
from serving.records.filters import Filters
from serving.records.forms import FilterForm
from serving.records.queries import Page
from serving.views.loading import load

PER_PAGE = 50
SECONDS_OF_SEARCH = 0.05
PATIENT_SECONDS = 4.0
CURSOR, PATIENT = "cursor", "search"


@dataclass(frozen=True)
class Found:
    """A page of calls, or the `problem` why there is none; `words` are its filters as they stand in addresses."""

    words: str
    page: Page | None = None
    problem: str = ""


@login_required
@require_safe
def calls(request: PageRequest, project: str, name: str) -> HttpResponse:
    """With `search=on` a search that no index answers goes on for some seconds instead of a moment."""
    found, serving = load(request, project, name)
    form = FilterForm(request.GET, besides=(CURSOR, PATIENT))
    context = {
        "access": found,
        "serving": serving,
        "form": form,
        "found": _found(request, serving, form.asked),
        "is_first": not request.GET.get(CURSOR),
        "is_patient": request.GET.get(PATIENT) == "on",
        "log": showing.log(serving),
        "stream": showing.stream(serving),
        "formats": exports.FORMATS.values(),
        "most_exported": exports.MOST_RECORDS,
    }
    if request.htmx:
        answer = render(request, "records/_found.html", context)
        if form.asked:
            answer["HX-Replace-Url"] = f"{request.path}?{urlencode(form.asked.words)}".rstrip("?")
        return answer
    return render(request, "records/calls.html", context, status=200 if form.is_valid() else 400)


@login_required
@require_safe
def drawn(request: PageRequest, project: str, name: str) -> HttpResponse:
    found, serving = load(request, project, name)
    form = FilterForm(request.GET)
    chart, problem = None, ""
    try:
        chart = charts.draw(serving, form.asked) if form.asked else None
    except ServingError as error:
        problem = str(error)
    context = {
        "access": found,
        "serving": serving,
        "form": form,
        "chart": chart,
        "problem": problem,
        "words": urlencode(form.asked.words) if form.asked else "",
    }
    if request.htmx:
        return render(request, "records/_charts.html", context)
    return render(request, "records/charts.html", context, status=200 if form.is_valid() else 400)


@login_required
@require_safe
def call(request: PageRequest, project: str, name: str, record: int) -> HttpResponse:
    found, serving = load(request, project, name)
    try:
        shown = queries.one(serving, record)
    except NoSuchServing as error:
        raise Http404(str(error)) from None
    context = {
        "access": found,
        "serving": serving,
        "record": shown,
        "parts": showing.parts(shown),
        "bodies": showing.bodies(shown),
        "command": showing.command(serving, shown),
        "verb_to_try": showing.verb_to_try(shown),
        "revision": showing.revision(serving, shown.revision),
        "width": showing.WIDTH,
    }
    return render(request, "records/call.html", context)


@login_required
@require_safe
def export(request: PageRequest, project: str, name: str) -> HttpResponse | StreamingHttpResponse:
    found, serving = load(request, project, name)
    try:
        return answers.exported(serving, request.GET)
    except ServingError as error:
        context = {"access": found, "serving": serving, "problem": str(error)}
        return render(request, "records/not_exported.html", context, status=error.status)


def _found(request: PageRequest, serving: Serving, asked: Filters | None) -> Found:
    if asked is None:
        return Found("")
    words = urlencode(asked.words)
    seconds = PATIENT_SECONDS if request.GET.get(PATIENT) == "on" else SECONDS_OF_SEARCH
    try:
        after = queries.place(request.GET.get(CURSOR, ""))
        return Found(words, queries.page(serving, asked, after=after, size=PER_PAGE, seconds=seconds))
    except ServingError as error:
        return Found(words, problem=str(error))
