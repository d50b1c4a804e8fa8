"""The pages of pre-flights: the list of checks, checking again, starting although it is red."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import ptag

from accounts import access
from accounts.access import Access
from accounts.models import Scope
from accounts.pages import PageRequest
from serving import queries, services
from serving.errors import NoSuchServing
from serving.models import Preflight
from serving.views.loading import load


def _load(request: PageRequest, project: str, preflight: int) -> tuple[Access, Preflight]:
    found = access.project(request, project)
    try:
        return found, queries.preflight(found.project, preflight)
    except NoSuchServing as error:
        raise Http404(str(error)) from None


def _tag(request: PageRequest, project: str, preflight: int) -> str:
    return queries.preflight_tag(_load(request, project, preflight)[1])


@login_required
@require_safe
@ptag(_tag)
def preflight(request: PageRequest, project: str, preflight: int) -> HttpResponse:
    """The checks of settings that are not saved; they keep themselves current."""
    found, shown = _load(request, project, preflight)
    context = {
        "access": found,
        "preflight": shown,
        "preflight_tag": queries.preflight_tag(shown),
        "is_live": not shown.is_finished,
    }
    template = "serving/_preflight.html" if request.htmx else "serving/preflight.html"
    return render(request, template, context)


@login_required
@require_POST
def check_again(request: PageRequest, project: str, name: str) -> HttpResponse:
    found, serving = load(request, project, name, needs=Scope.WRITE)
    services.check_again(access=found, serving=serving)
    messages.success(request, f"Revision {serving.current.number} is being checked again.")
    return redirect(f"{reverse('serving', args=[project, name])}#preflight")


@login_required
@require_safe
def start_anyway(request: PageRequest, project: str, name: str) -> HttpResponse:
    """Asks an owner whether a serving shall run although its pre-flight is red; Run with `override` then does it."""
    found, serving = load(request, project, name, needs=Scope.ADMIN)
    context = {"access": found, "serving": serving, "preflight": serving.current.preflight}
    return render(request, "serving/start_anyway.html", context)
