"""The pages of safety reports: what an owner should look at, and one file's report."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts import access
from accounts.models import Scope
from accounts.pages import PageRequest
from models_registry.errors import NoSuchThing, RegistryError
from models_registry.safety import explaining, queries, services
from models_registry.safety.forms import ApproveForm


@login_required
@require_safe
def overview(request: PageRequest, project: str) -> HttpResponse:
    found = access.project(request, project)
    context = {
        "access": found,
        "attention": queries.attention(found.project),
        "approved": queries.approved(found.project),
        "waiting_count": queries.waiting_count(found.project),
    }
    return render(request, "safety/overview.html", context)


@login_required
@require_safe
def report(request: PageRequest, project: str, sha256: str) -> HttpResponse:
    found = access.project(request, project)
    return _page(request, found, sha256, ApproveForm())


@login_required
@require_POST
def scan_again(request: PageRequest, project: str, sha256: str) -> HttpResponse:
    found = access.project(request, project, needs=Scope.WRITE)
    _load(found, sha256)
    services.scan_again(access=found, sha256=sha256)
    messages.success(request, "The file is being scanned; its report is here in a moment.")
    return redirect("file-report", project, sha256)


@login_required
@require_POST
def approve(request: PageRequest, project: str, sha256: str) -> HttpResponse:
    found = access.project(request, project, needs=Scope.ADMIN)
    shown = _load(found, sha256)
    form = ApproveForm(request.POST)
    if not form.is_valid():
        return _page(request, found, sha256, form)
    try:
        services.approve(access=found, sha256=sha256, reason=form.cleaned_data["reason"])
        messages.success(request, f"{shown.path} is approved for {found.project}.")
    except RegistryError as error:
        messages.error(request, str(error))
    return redirect("file-report", project, sha256)


@login_required
@require_POST
def withdraw(request: PageRequest, project: str, sha256: str) -> HttpResponse:
    found = access.project(request, project, needs=Scope.ADMIN)
    shown = _load(found, sha256)
    services.withdraw(access=found, sha256=sha256)
    messages.success(
        request, f"{shown.path} is no longer approved; what runs with it goes on until it stops."
    )
    return redirect("file-report", project, sha256)


def _page(request: PageRequest, found: access.Access, sha256: str, form: ApproveForm) -> HttpResponse:
    shown = _load(found, sha256)
    context = {
        "access": found,
        "shown": shown,
        "form": form,
        "explained": explaining.explain(shown.report, found.project),
        "imports": explaining.grouped(shown.report.imports),
    }
    return render(request, "safety/report.html", context, status=400 if form.errors else 200)


def _load(found: access.Access, sha256: str) -> queries.Shown:
    try:
        return queries.report(found.project, sha256)
    except NoSuchThing as error:
        raise Http404(str(error)) from None
