"""What a serving that runs can be told: scale, pace of updates, the canary's part, promote it, withdraw it."""

from collections.abc import Callable

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import Access
from accounts.models import Scope
from accounts.pages import PageRequest
from serving import canaries, rollouts, scaling
from serving.forms.rollout import PaceForm, PercentForm, ScaleForm
from serving.models import Serving
from serving.views.doing import do
from serving.views.loading import load

Act = Callable[[], object]


@login_required
@require_POST
def scale(request: PageRequest, project: str, name: str) -> HttpResponse:
    found, serving = load(request, project, name, needs=Scope.WRITE)
    form = ScaleForm(request.POST)
    if _is_good(request, form):
        replicas = form.cleaned_data["replicas"]
        said = f"{name} is scaled to {replicas} replica{'' if replicas == 1 else 's'}" + (
            "." if serving.wanted_replicas else " for the next time it is run."
        )
        do(request, said, lambda: scaling.scale(access=found, serving=serving, replicas=replicas))
    return redirect("serving", project, name)


@login_required
@require_POST
def pace(request: PageRequest, project: str, name: str) -> HttpResponse:
    found, serving = load(request, project, name, needs=Scope.WRITE)
    form = PaceForm(request.POST)
    if _is_good(request, form):
        said = f"Updates of {name} go this way from now on."
        do(request, said, lambda: scaling.set_pace(access=found, serving=serving, **form.cleaned_data))
    return redirect("serving", project, name)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def canary(request: PageRequest, project: str, name: str) -> HttpResponse:
    """What was called of each revision, which polls itself; or another part for the canary."""
    needs = Scope.WRITE if request.method == "POST" else Scope.READ
    found, serving = load(request, project, name, needs=needs)
    if request.method == "POST":
        form = PercentForm(request.POST)
        if _is_good(request, form):
            percent = form.cleaned_data["percent"]
            said = f"The canary gets {percent} % of the requests."
            do(request, said, lambda: canaries.set_percent(access=found, serving=serving, percent=percent))
    elif request.htmx:
        context = {"access": found, "serving": serving, "calls": rollouts.calls_beside_canary(serving)}
        return render(request, "serving/_canary_calls.html", context)
    return redirect("serving", project, name)


@login_required
@require_POST
def promote(request: PageRequest, project: str, name: str) -> HttpResponse:
    found, serving = load(request, project, name, needs=Scope.WRITE)
    said = "The canary is the current revision now; the old replicas leave once it is there in full."
    do(request, said, lambda: canaries.promote(access=found, serving=serving))
    return redirect("serving", project, name)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def withdraw(request: PageRequest, project: str, name: str) -> HttpResponse:
    found, serving = load(request, project, name, needs=Scope.WRITE)
    if request.method == "POST":
        return _withdraw(request, found, serving)
    return render(request, "serving/withdraw.html", {"access": found, "serving": serving})


def _withdraw(request: PageRequest, found: Access, serving: Serving) -> HttpResponse:
    said = "The canary is withdrawn; its replicas finish what they do and end."
    do(request, said, lambda: canaries.withdraw(access=found, serving=serving))
    return redirect("serving", found.project.name, serving.name)


def _is_good(request: PageRequest, form: forms.Form) -> bool:
    """Whether the form is; if not, the page says what is wrong."""
    for name, errors in form.errors.items():
        label = form.fields[name].label or name.replace("_", " ").capitalize()
        messages.error(request, f"{label}: {' '.join(map(str, errors))}")
    return form.is_valid()
