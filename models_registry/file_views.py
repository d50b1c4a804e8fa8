"""The pages of a project's files: downloads, and what lies free under Resources/."""

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
from models_registry import downloads, queries, quota, services, uploads
from models_registry.errors import NoSuchThing, RegistryError
from models_registry.forms import ResourceForm
from models_registry.models import ProjectFile
from models_registry.paths import BadPath
from models_registry.storage import StorageError

PER_PAGE = 100
NAMED = 10


@login_required
@require_safe
def download(request: PageRequest, project: str, path: str) -> HttpResponseBase:
    found = access.project(request, project)
    return downloads.file(request, _file(found, path))


@csrf_exempt
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def resources(request: PageRequest, project: str) -> HttpResponse:
    found = access.project(request, project, needs=Scope.WRITE if request.method == "POST" else Scope.READ)
    return uploads.received(request, _resources, found)


def _resources(request: PageRequest, found: access.Access) -> HttpResponse:
    form = ResourceForm(request.POST, request.FILES) if request.method == "POST" else ResourceForm()
    if form.is_valid():
        try:
            kept = uploads.keep(
                access=found,
                files=form.cleaned_data["file"],
                folder=form.cleaned_data["folder"],
                unpack=form.cleaned_data["unpack"],
            )
        except (RegistryError, BadPath, StorageError) as error:
            form.add_error("file", str(error))
        else:
            messages.success(request, _told(kept))
            return redirect("resources", found.project.name)
    page = Paginator(queries.free_files(found.project), PER_PAGE).get_page(request.GET.get("page"))
    context = {"access": found, "form": form, "page": page, "usage": quota.usage(found.project)}
    return render(request, "models_registry/resources.html", context, status=400 if form.errors else 200)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: PageRequest, project: str, path: str) -> HttpResponse:
    found = access.project(request, project, needs=Scope.WRITE)
    file = _file(found, path)
    if request.method == "POST":
        try:
            services.delete_file(access=found, file=file)
            messages.success(request, f"{path} is deleted.")
        except RegistryError as error:
            messages.error(request, str(error))
        return redirect("resources", found.project.name)
    return render(request, "models_registry/delete_file.html", {"access": found, "file": file})


def _told(kept: list[ProjectFile]) -> str:
    named = ", ".join(file.path for file in kept[:NAMED])
    return f"Kept {named} and {len(kept) - NAMED} more." if len(kept) > NAMED else f"Kept {named}."


def _file(found: access.Access, path: str) -> ProjectFile:
    try:
        return queries.file(found.project, path)
    except (NoSuchThing, BadPath) as error:
        raise Http404(str(error)) from None
