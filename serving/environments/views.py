"""The pages of environments, the live build of a serving's packages, and the pin to those of the training."""

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import ptag

from accounts import access
from accounts.access import Access
from accounts.models import Scope
from accounts.pages import PageRequest
from serving.environments import changes, queries, service
from serving.environments.showing import Build, image_rows, rows
from serving.errors import NoSuchServing
from serving.models import Environment
from serving.views.doing import do
from serving.views.loading import load as load_serving


def _load(
    request: PageRequest, project: str, key: str, *, needs: Scope = Scope.READ
) -> tuple[Access, Environment]:
    found = access.project(request, project, needs=needs)
    try:
        return found, queries.environment(found.project, key)
    except NoSuchServing as error:
        raise Http404(str(error)) from None


def _list_tag(request: PageRequest, project: str) -> str:
    return queries.list_tag(access.project(request, project).project)


@login_required
@require_safe
@ptag(_list_tag)
def environments(request: PageRequest, project: str) -> HttpResponse:
    found = access.project(request, project)
    context = {
        "access": found,
        "rows": rows(found.project, queries.environments(found.project)),
        "interpreters": queries.interpreters(),
        "tag": queries.list_tag(found.project),
    }
    return render(request, "environments/_list.html" if request.htmx else "environments/list.html", context)


def _tag(request: PageRequest, project: str, key: str) -> str:
    return queries.tag(_load(request, project, key)[1])


@login_required
@require_safe
@ptag(_tag)
def environment(request: PageRequest, project: str, key: str) -> HttpResponse:
    found, shown = _load(request, project, key)
    context = {
        "access": found,
        "row": rows(found.project, [shown])[0],
        "environment": shown,
        "packages": queries.packages(shown),
        "lines": queries.log_lines(shown),
        "images": image_rows(shown),
        "tag": queries.tag(shown),
    }
    template = "environments/_environment.html" if request.htmx else "environments/environment.html"
    return render(request, template, context)


@login_required
@require_POST
def rebuild(request: PageRequest, project: str, key: str) -> HttpResponse:
    found, shown = _load(request, project, key, needs=Scope.WRITE)
    said = "The environment is being built anew; replicas go on in the old one until they are replaced."
    do(request, said, lambda: service.rebuild(access=found, environment=shown))
    return redirect("environment", project, shown.key[:12])


@login_required
@require_POST
def verify(request: PageRequest, project: str, key: str) -> HttpResponse:
    found, shown = _load(request, project, key, needs=Scope.WRITE)
    said = "Every file is being compared with what was built; the outcome appears here."
    do(request, said, lambda: service.verify(access=found, environment=shown))
    return redirect("environment", project, shown.key[:12])


def _build_tag(request: PageRequest, project: str, name: str) -> str:
    return queries.build_tag(load_serving(request, project, name)[1].current)


@login_required
@require_safe
@ptag(_build_tag)
def build(request: PageRequest, project: str, name: str) -> HttpResponse:
    """The section that keeps itself current on the serving's page; without script, a way to that page."""
    found, serving = load_serving(request, project, name)
    if not request.htmx:
        return redirect("serving", project, name)
    context = {"access": found, "serving": serving, "build": Build(serving.current)}
    return render(request, "environments/_build.html", context)


@login_required
@require_POST
def build_again(request: PageRequest, project: str, name: str) -> HttpResponse:
    found, serving = load_serving(request, project, name, needs=Scope.WRITE)
    said = "The packages are tried again."
    do(request, said, lambda: changes.try_again(access=found, serving=serving))
    return redirect("serving", project, name)


@login_required
@require_POST
def pin(request: PageRequest, project: str, name: str) -> HttpResponse:
    """Save a revision with the training's version of the package in the field `package`, or of all that differ."""
    found, serving = load_serving(request, project, name, needs=Scope.WRITE)
    package = request.POST.get("package", "")
    said = "Saved as a new revision with the packages of the training; they are resolved now."
    do(request, said, lambda: changes.pin(access=found, serving=serving, package=package))
    return redirect("serving", project, name)
