"""The page of one version, and the forms on it that change what is said of it."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.forms import Form
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access
from accounts.models import Scope
from accounts.pages import PageRequest
from models_registry import queries
from models_registry.errors import NoSuchThing, RegistryError
from models_registry.models import ModelVersion
from models_registry.safety import queries as safety
from models_registry.versions import aliases, comparison, describing, schema, tags
from models_registry.versions.forms import AliasForm, DescribeForm, TagForm

PER_PAGE = 50


def load(found: access.Access, model: str, number: int) -> ModelVersion:
    try:
        return queries.version(found.project, model, number)
    except NoSuchThing as error:
        raise Http404(str(error)) from None


@login_required
@require_safe
def version(request: PageRequest, project: str, model: str, number: int) -> HttpResponse:
    found = access.project(request, project)
    return _page(request, found, load(found, model, number))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def describe(request: PageRequest, project: str, model: str, number: int) -> HttpResponse:
    found = access.project(request, project, needs=Scope.WRITE)
    shown = load(found, model, number)
    initial = {name: getattr(shown, name) for name in DescribeForm.base_fields}
    form = DescribeForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        describing.change(access=found, version=shown, changes=form.changes())
        messages.success(request, f"{shown} is described anew.")
        return redirect("model-version", project, model, number)
    context = {"access": found, "version": shown, "form": form}
    status = 400 if form.errors else 200
    return render(request, "models_registry/describe.html", context, status=status)


@login_required
@require_POST
def put_alias(request: PageRequest, project: str, model: str, number: int) -> HttpResponse:
    found = access.project(request, project, needs=Scope.WRITE)
    shown = load(found, model, number)
    form = AliasForm(request.POST)
    if not form.is_valid():
        return _page(request, found, shown, alias_form=form)
    name = form.cleaned_data["alias"]
    aliases.put(access=found, version=shown, name=name)
    messages.success(request, f"{name} stands for {shown}.")
    return redirect("model-version", project, model, number)


@login_required
@require_POST
def remove_alias(request: PageRequest, project: str, model: str, number: int, alias: str) -> HttpResponse:
    found = access.project(request, project, needs=Scope.WRITE)
    shown = load(found, model, number)
    try:
        aliases.remove(access=found, model=shown.model, name=alias)
        messages.success(request, f"The alias {alias} is removed.")
    except RegistryError as error:
        messages.error(request, str(error))
    return redirect("model-version", project, model, number)


@login_required
@require_POST
def put_tag(request: PageRequest, project: str, model: str, number: int) -> HttpResponse:
    found = access.project(request, project, needs=Scope.WRITE)
    shown = load(found, model, number)
    form = TagForm(request.POST)
    if form.is_valid():
        name, value = form.cleaned_data["name"], tags.read(form.cleaned_data["value"])
        try:
            tags.put(access=found, version=shown, name=name, value=value)
        except RegistryError as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, f"The tag {name} is kept.")
            return redirect("model-version", project, model, number)
    return _page(request, found, shown, tag_form=form)


@login_required
@require_POST
def remove_tag(request: PageRequest, project: str, model: str, number: int, name: str) -> HttpResponse:
    found = access.project(request, project, needs=Scope.WRITE)
    shown = load(found, model, number)
    try:
        tags.remove(access=found, version=shown, name=name)
        messages.success(request, f"The tag {name} is removed.")
    except RegistryError as error:
        messages.error(request, str(error))
    return redirect("model-version", project, model, number)


@login_required
@require_safe
def compare(request: PageRequest, project: str, model: str) -> HttpResponse:
    """Two versions side by side; the newest and the one before unless the address names others."""
    found = access.project(request, project)
    try:
        b = queries.version_called(found.project, model, request.GET.get("b") or "latest")
        asked = request.GET.get("a")
        a = queries.version_called(found.project, model, asked) if asked else queries.version_before(b)
    except NoSuchThing as error:
        raise Http404(str(error)) from None
    context = {
        "access": found,
        "model": b.model,
        "versions": queries.versions(b.model),
        "found": comparison.compare(a, b),
        "pickers": [("a", "From", a.number), ("b", "To", b.number)],
    }
    return render(request, "models_registry/compare.html", context)


def _page(
    request: PageRequest,
    found: access.Access,
    shown: ModelVersion,
    *,
    alias_form: Form | None = None,
    tag_form: Form | None = None,
) -> HttpResponse:
    """The version's page; a form that was filled in wrongly comes back on it."""
    files = shown.files.select_related("blob__report", "version__model").order_by("path")
    schema_file = schema.schema(shown)
    context = {
        "access": found,
        "version": shown,
        "page": Paginator(files, PER_PAGE).get_page(request.GET.get("page")),
        "script": files.filter(path__endswith=".py").first(),
        "servings": queries.servings_using(shown),
        "safety": safety.summary(shown),
        "aliases": aliases.standing(shown),
        "tags": tags.shown(shown.tags),
        "provenance": describing.facts(shown.provenance),
        "example": schema.example(shown),
        "schema": schema_file,
        "schema_sides": schema.sides(schema_file.value) if schema_file else [],
        "alias_form": alias_form or AliasForm(),
        "tag_form": tag_form or TagForm(),
    }
    status = 400 if alias_form or tag_form else 200
    return render(request, "models_registry/version.html", context, status=status)
