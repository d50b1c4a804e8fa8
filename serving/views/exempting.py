"""The page on which an owner exempts a serving's containers from parts of their hardening, in two steps."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.models import Scope
from accounts.pages import PageRequest
from serving import enforcement, exempting
from serving.errors import ServingError
from serving.forms.rollout import ExemptionsForm
from serving.views.loading import load


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def exemptions(request: PageRequest, project: str, name: str) -> HttpResponse:
    """Choose; what opens a door is asked once more; then it is done and recorded."""
    found, serving = load(request, project, name, needs=Scope.ADMIN)
    form = ExemptionsForm(request.POST if request.method == "POST" else None)
    chosen = list(serving.exemptions)
    if form.is_valid():
        chosen = form.cleaned_data["exemptions"]
        opened = set(chosen) - set(serving.exemptions)
        if not opened or request.POST.get("confirmed") == "1":
            try:
                exempting.set_exemptions(access=found, serving=serving, exemptions=set(chosen))
            except ServingError as error:
                messages.error(request, str(error))
            else:
                messages.success(request, _said(name, chosen, runs=serving.wanted_replicas > 0))
            return redirect("serving", project, name)
    doors = enforcement.doors(chosen)
    context = {
        "access": found,
        "serving": serving,
        "form": form,
        "doors": doors,
        "opened": [door for door in doors if door.is_open and door.value not in serving.exemptions],
        "place": enforcement.place(serving.current),
        "caveat": enforcement.caveat(serving.current),
        "is_contained": enforcement.is_contained(serving.current),
    }
    template = (
        "serving/exempt_anyway.html" if form.is_bound and form.is_valid() else "serving/exemptions.html"
    )
    return render(request, template, context)


def _said(name: str, chosen: list[str], *, runs: bool) -> str:
    what = "has these exemptions" if chosen else "has no exemption"
    return f"{name} {what} now" + (
        "; new replicas take the place of the old ones." if runs else "; they count from its next start."
    )
