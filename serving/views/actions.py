"""What the buttons of a serving do: run, stop, roll back, delete."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import Scope
from accounts.pages import PageRequest, way_back
from serving import services
from serving.topics import queries as topics
from serving.views.doing import do
from serving.views.loading import load


@login_required
@require_POST
def run(request: PageRequest, project: str, name: str) -> HttpResponse:
    found, serving = load(request, project, name, needs=Scope.WRITE)
    said = f"{name} is starting; this page shows how far it has come."
    override = request.POST.get("override") == "1"
    do(request, said, lambda: services.start(access=found, serving=serving, override=override))
    return redirect(way_back(request, reverse("serving", args=[project, name])))


@login_required
@require_POST
def stop(request: PageRequest, project: str, name: str) -> HttpResponse:
    found, serving = load(request, project, name, needs=Scope.WRITE)
    said = f"{name} is stopping; requests that run are finished first."
    do(request, said, lambda: services.stop(access=found, serving=serving))
    return redirect(way_back(request, reverse("serving", args=[project, name])))


@login_required
@require_POST
def roll_back(request: PageRequest, project: str, name: str, number: int) -> HttpResponse:
    found, serving = load(request, project, name, needs=Scope.WRITE)
    said = f"Revision {number} is wanted again, as a new revision."
    do(request, said, lambda: services.roll_back(access=found, serving=serving, number=number))
    return redirect("serving-history", project, name)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: PageRequest, project: str, name: str) -> HttpResponse:
    found, serving = load(request, project, name, needs=Scope.WRITE)
    if request.method == "POST":
        with_topic = request.POST.get("topic") == "delete"
        said = f"{name} is deleted{' with its topic' if with_topic else ''}; its replicas are being stopped."
        do(request, said, lambda: services.delete(access=found, serving=serving, with_topic=with_topic))
        return redirect("servings", project)
    context = {"access": found, "serving": serving, "sharers": topics.sharers(serving)}
    return render(request, "serving/delete.html", context)
