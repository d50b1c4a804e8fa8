"""The pages of replays: ask for one, see how it goes and what came of it."""

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import ptag

from accounts.access import Access
from accounts.models import Scope
from accounts.pages import PageRequest
from serving.errors import NoSuchServing, ServingError
from serving.models import Replay, Serving
from serving.records import filters
from serving.replays import queries, services
from serving.replays.forms import ReplayForm
from serving.views.loading import load

PER_PAGE = 20


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def replays(request: PageRequest, project: str, name: str) -> HttpResponse:
    """The address's parameters are the selection, in the words of the page of calls."""
    found, serving = load(
        request, project, name, needs=Scope.WRITE if request.method == "POST" else Scope.READ
    )
    selection, problem = _selection(request)
    form = ReplayForm(request.POST or None, serving=serving, prefix="replay")
    status = 200
    if request.method == "POST":
        if form.is_valid() and not problem:
            try:
                replay = services.ask(access=found, serving=serving, selection=selection, **form.cleaned_data)
            except ServingError as error:
                form.add_error(error.field if error.field in form.fields else None, str(error))
            else:
                return redirect("serving-replay", project, name, replay.pk)
        status = 400
    context = {
        "access": found,
        "serving": serving,
        "form": form,
        "selection": selection,
        "problem": problem,
        "page": Paginator(queries.replays(serving), PER_PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "replays/list.html", context, status=status)


def _selection(request: PageRequest) -> tuple[dict[str, str], str]:
    """What is selected, and why the address says no such thing, empty if it does."""
    try:
        return filters.parse(request.GET, besides=("page",)).words, ""
    except ServingError as error:
        said = {name: str(value) for name, value in request.GET.items() if value and name != "page"}
        return said, str(error)


def _load(request: PageRequest, project: str, name: str, replay: int) -> tuple[Access, Serving, Replay]:
    found, serving = load(request, project, name)
    try:
        return found, serving, queries.replay(serving, replay)
    except NoSuchServing as error:
        raise Http404(str(error)) from None


def _tag(request: PageRequest, project: str, name: str, replay: int) -> str:
    return queries.tag(_load(request, project, name, replay)[2])


@login_required
@require_safe
@ptag(_tag)
def replay(request: PageRequest, project: str, name: str, replay: int) -> HttpResponse:
    found, serving, shown = _load(request, project, name, replay)
    differing_only = request.GET.get("differing") == "on"
    calls = queries.calls(shown, differing_only=differing_only)
    context = {
        "access": found,
        "serving": serving,
        "replay": shown,
        "tag": queries.tag(shown),
        "differing_only": differing_only,
        "page": Paginator(calls, PER_PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "replays/_replay.html" if request.htmx else "replays/replay.html", context)


@login_required
@require_POST
def end(request: PageRequest, project: str, name: str, replay: int) -> HttpResponse:
    found, serving = load(request, project, name, needs=Scope.WRITE)
    try:
        services.end(access=found, replay=queries.replay(serving, replay))
    except NoSuchServing as error:
        raise Http404(str(error)) from None
    return redirect("serving-replay", project, name, replay)
