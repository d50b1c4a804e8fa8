"""The page that sets two revisions of a serving side by side."""

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.pages import PageRequest
from serving import comparing, queries
from serving.errors import NoSuchServing
from serving.views.loading import load

MOST_OFFERED = 50


@login_required
@require_safe
def compare(request: PageRequest, project: str, name: str) -> HttpResponse:
    found, serving = load(request, project, name)
    try:
        a, b = comparing.pair(serving, request.GET.get("a", ""), request.GET.get("b", ""))
    except NoSuchServing as error:
        raise Http404(str(error)) from None
    context = {
        "access": found,
        "serving": serving,
        "found": comparing.compare(a, b, with_values=found.can_write),
        "sides": [a] if a == b else [a, b],
        "revisions": queries.revisions(serving)[:MOST_OFFERED],
        "pickers": [("a", "From", a.number), ("b", "To", b.number)],
    }
    return render(request, "serving/compare.html", context)
