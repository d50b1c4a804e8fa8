"""The pages that create and edit a serving."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts import access
from accounts.models import Scope
from accounts.pages import PageRequest
from serving import queries, services
from serving.errors import EditedMeanwhile, ServingError
from serving.forms.settings import ServingForm
from serving.models import Serving
from serving.views.loading import load


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: PageRequest, project: str) -> HttpResponse:
    found = access.project(request, project, needs=Scope.WRITE)
    data = request.POST if request.method == "POST" else None
    form = ServingForm(data, project=found.project, script=request.GET.get("script", ""))
    if form.is_valid():
        try:
            made, is_new = services.create(access=found, wanted=form.wanted())
        except ServingError as error:
            form.refuse(str(error), error.field)
        else:
            messages.success(
                request, _after_create(made) if is_new else f"{made} exists with these very settings."
            )
            return redirect("serving", found.project.name, made.name)
    context = {"access": found, "form": form}
    return render(request, "serving/form.html", context, status=400 if form.errors else 200)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: PageRequest, project: str, name: str) -> HttpResponse:
    found, serving = load(request, project, name, needs=Scope.WRITE)
    form = ServingForm(
        request.POST if request.method == "POST" else None, project=found.project, serving=serving
    )
    if form.is_valid():
        expected = form.cleaned_data["expected_revision"]
        try:
            saved = services.update(
                access=found, serving=serving, expected_revision=expected, changes=form.changes()
            )
        except EditedMeanwhile as error:
            form.edited_meanwhile(str(error), queries.serving(found.project, name))
        except ServingError as error:
            form.refuse(str(error), error.field)
        else:
            messages.success(request, _after_edit(serving, saved))
            return redirect("serving", found.project.name, name)
    context = {"access": found, "form": form, "serving": serving}
    return render(request, "serving/form.html", context, status=400 if form.errors else 200)


def _after_create(serving: Serving) -> str:
    return (
        f"{serving} is created. Its artifact is being built; press Run and it starts as soon as that is done."
    )


def _after_edit(before: Serving, after: Serving) -> str:
    assert before.revision is not None
    assert after.revision is not None
    number = after.revision.number
    if number == before.revision.number:
        return f"Saved; what runs is revision {number} as before."
    if after.wanted_replicas:
        return f"Saved as revision {number}. The old replicas answer until the new ones are ready."
    return f"Saved as revision {number}; it is used the next time you press Run."
