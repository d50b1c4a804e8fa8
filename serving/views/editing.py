"""The pages that create and edit a serving, or have the settings checked without saving them."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts import access
from accounts.access import Access
from accounts.models import Scope
from accounts.pages import PageRequest
from serving import canaries, queries, services
from serving.errors import EditedMeanwhile, ServingError
from serving.forms.settings import ServingForm
from serving.models import Preflight, Serving
from serving.views.loading import load


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: PageRequest, project: str) -> HttpResponse:
    found = access.project(request, project, needs=Scope.WRITE)
    data = request.POST if request.method == "POST" else None
    form = ServingForm(data, project=found.project, script=request.GET.get("script", ""))
    if "check" in request.POST:
        return _page(request, found, form, preflight=_checked(found, form))
    if form.is_valid():
        try:
            made, is_new = services.create(access=found, wanted=form.wanted())
        except ServingError as error:
            form.refuse(str(error), error.field)
        except PermissionDenied as error:
            form.refuse(str(error), "deployer")
        else:
            said = _after_create(made) if is_new else f"{made} exists with these very settings."
            messages.success(request, said)
            return redirect("serving", found.project.name, made.name)
    return _page(request, found, form)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: PageRequest, project: str, name: str) -> HttpResponse:
    found, serving = load(request, project, name, needs=Scope.WRITE)
    data = request.POST if request.method == "POST" else None
    form = ServingForm(data, project=found.project, serving=serving)
    if "check" in request.POST:
        return _page(request, found, form, preflight=_checked(found, form))
    if form.is_valid():
        try:
            saved = _saved(found, serving, form, as_canary="canary" in request.POST)
        except EditedMeanwhile as error:
            form.edited_meanwhile(str(error), queries.serving(found.project, name))
        except ServingError as error:
            form.refuse(str(error), error.field)
        except PermissionDenied as error:
            form.refuse(str(error), "deployer")
        else:
            messages.success(request, _after_edit(serving, saved))
            return redirect("serving", found.project.name, name)
    return _page(request, found, form)


def _saved(found: Access, serving: Serving, form: ServingForm, *, as_canary: bool) -> Serving:
    changes, expected = form.changes(), form.cleaned_data["expected_revision"]
    if not as_canary:
        return services.update(access=found, serving=serving, expected_revision=expected, changes=changes)
    percent = form.cleaned_data.get("canary_percent")
    if percent is None:
        raise ServingError("Say how many percent of the requests the canary gets.", field="percent")
    return canaries.begin(
        access=found, serving=serving, changes=changes, percent=percent, expected_revision=expected
    )


def _checked(found: Access, form: ServingForm) -> Preflight | None:
    """The pre-flight of what is in the form, or None if the form itself is wrong."""
    if not form.is_valid():
        return None
    now = form.serving
    try:
        wanted = services.with_changes(now, form.changes()) if now else form.wanted()
        return services.check(access=found, wanted=wanted, serving=now)
    except ServingError as error:
        form.refuse(str(error), error.field)
    except PermissionDenied as error:
        form.refuse(str(error), "deployer")
    return None


def _page(
    request: PageRequest, found: Access, form: ServingForm, *, preflight: Preflight | None = None
) -> HttpResponse:
    context = {
        "access": found,
        "form": form,
        "serving": form.serving,
        "preflight": preflight,
        "preflight_tag": queries.preflight_tag(preflight) if preflight else "",
    }
    return render(request, "serving/form.html", context, status=400 if form.errors else 200)


def _after_create(serving: Serving) -> str:
    return f"{serving} is created and being checked; press Run and it starts as soon as all is ready."


def _after_edit(before: Serving, after: Serving) -> str:
    number = after.current.number
    if after.canary and not before.canary:
        when = "once it is ready" if after.wanted_replicas else "the next time you press Run"
        part = f"{after.canary_percent} % of the requests"
        return f"Saved as revision {after.canary.number}, the canary: it gets {part} {when}."
    if number == before.current.number:
        scaled = f", scaled to {after.scale}" if after.scale != before.scale else ""
        return f"Saved; what runs is revision {number} as before{scaled}."
    if after.wanted_replicas:
        return f"Saved as revision {number}. The old replicas answer until the new ones are ready."
    return f"Saved as revision {number}; it is used the next time you press Run."
