"""The pages of models and their versions."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from accounts import access
from accounts.models import Scope
from accounts.pages import PageRequest
from models_registry import artifacts, downloads, queries, quota, services, uploads
from models_registry.errors import NoSuchThing, RegistryError, VersionExists
from models_registry.forms import ExportForm
from models_registry.models import RegisteredModel
from models_registry.paths import BadPath
from models_registry.storage import StorageError
from models_registry.versions import describing
from models_registry.versions.table import table
from models_registry.versions.views import load

PER_PAGE = 50


@login_required
@require_safe
def models(request: PageRequest, project: str) -> HttpResponse:
    found = access.project(request, project)
    page = Paginator(queries.models(found.project), PER_PAGE).get_page(request.GET.get("page"))
    context = {"access": found, "page": page, "usage": quota.usage(found.project)}
    return render(request, "models_registry/models.html", context)


@login_required
@require_safe
def model(request: PageRequest, project: str, model: str) -> HttpResponse:
    found = access.project(request, project)
    shown = _model(found, model)
    asked = request.GET
    listed = table(
        shown,
        metric=asked.get("sort", ""),
        direction=asked.get("direction", ""),
        number=asked.get("page"),
    )
    context = {"access": found, "model": shown, "table": listed, "page": listed.page}
    return render(request, "models_registry/model.html", context)


@login_required
@require_safe
def download_version(request: PageRequest, project: str, model: str, number: int) -> HttpResponseBase:
    found = access.project(request, project)
    return downloads.version(load(found, model, number))


@login_required
@require_safe
def download_artifact(
    request: PageRequest, project: str, model: str, number: int, artifact_id: int
) -> HttpResponseBase:
    found = access.project(request, project)
    artifact = artifacts.of(load(found, model, number)).filter(pk=artifact_id).first()
    if artifact is None:
        raise Http404(f"{model} version {number} has no such artifact.")
    return downloads.artifact(artifact)


@csrf_exempt
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def export(request: PageRequest, project: str) -> HttpResponse:
    found = access.project(request, project, needs=Scope.WRITE)
    return uploads.received(request, _export, found)


def _export(request: PageRequest, found: access.Access) -> HttpResponse:
    initial = {"name": request.GET.get("model", "")}
    form = (
        ExportForm(request.POST, request.FILES) if request.method == "POST" else ExportForm(initial=initial)
    )
    if form.is_valid():
        try:
            provenance = describing.signed(
                {}, user=found.user.username, agent=request.headers.get("User-Agent", "")
            )
            wanted = {**form.wanted(), "provenance": provenance}
            made = uploads.export(
                access=found, wanted=wanted, files=form.chosen(), unpack=form.cleaned_data["unpack"]
            )
        except (RegistryError, BadPath, StorageError) as error:
            form.add_error("number" if isinstance(error, VersionExists) else "file", str(error))
        else:
            messages.success(request, f"{made} is exported; serve it, or look at its files.")
            return redirect("model-version", found.project.name, made.model.name, made.number)
    context = {"access": found, "form": form}
    return render(request, "models_registry/export.html", context, status=400 if form.errors else 200)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def delete_version(request: PageRequest, project: str, model: str, number: int) -> HttpResponse:
    found = access.project(request, project, needs=Scope.WRITE)
    shown = load(found, model, number)
    if request.method == "POST":
        try:
            services.delete_version(access=found, version=shown)
        except RegistryError as error:
            messages.error(request, str(error))
            return redirect("model-version", found.project.name, model, number)
        messages.success(request, f"{shown} is deleted.")
        return redirect("models", found.project.name)
    context = {
        "access": found,
        "version": shown,
        "servings": queries.servings_using(shown),
        "followed": queries.followed(shown),
        "aliases": [each.name for each in shown.aliases.all()],
    }
    return render(request, "models_registry/delete_version.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def delete_model(request: PageRequest, project: str, model: str) -> HttpResponse:
    found = access.project(request, project, needs=Scope.WRITE)
    shown = _model(found, model)
    if request.method == "POST":
        try:
            services.delete_model(access=found, model=shown)
        except RegistryError as error:
            messages.error(request, str(error))
            return redirect("model", found.project.name, model)
        messages.success(request, f"{model} and all its versions are deleted.")
        return redirect("models", found.project.name)
    return render(request, "models_registry/delete_model.html", {"access": found, "model": shown})


def _model(found: access.Access, name: str) -> RegisteredModel:
    try:
        return queries.model(found.project, name)
    except NoSuchThing as error:
        raise Http404(str(error)) from None
