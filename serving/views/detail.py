"""The pages of one serving: overview, history, calls."""

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django_htmx.http import ptag

from accounts.pages import PageRequest
from serving import addresses, advice, commands, examples, queries
from serving.environments import queries as environments
from serving.environments.showing import Build
from serving.forms.trying import TryForm
from serving.views.loading import load

REPLICAS_SHOWN = 20
RECORDS_SHOWN = 20
PER_PAGE = 50


def _tag(request: PageRequest, project: str, name: str) -> str:
    return queries.serving_tag(load(request, project, name)[1])


@login_required
@require_safe
@ptag(_tag)
def overview(request: PageRequest, project: str, name: str) -> HttpResponse:
    found, serving = load(request, project, name)
    bodies = examples.bodies(serving)
    context = {
        "access": found,
        "serving": serving,
        "tag": queries.serving_tag(serving),
        "path_url": f"{addresses.path_url(serving)}:predict",
        "direct_url": f"{addresses.direct_url(serving)}:predict",
        "protocols": commands.protocols(serving, bodies),
        "replicas": queries.replicas(serving)[:REPLICAS_SHOWN],
        "build": Build(serving.current),
        "skews": environments.skews(serving.current),
        "preflight": serving.current.preflight,
        "advice": advice.on(serving.failure["code"]) if serving.failure else None,
        "try_form": TryForm(bodies=bodies),
    }
    return render(request, "serving/_overview.html" if request.htmx else "serving/overview.html", context)


@login_required
@require_safe
@ptag(_tag)
def history(request: PageRequest, project: str, name: str) -> HttpResponse:
    found, serving = load(request, project, name)
    context = {
        "access": found,
        "serving": serving,
        "tag": queries.serving_tag(serving),
        "revisions": queries.revisions(serving)[:PER_PAGE],
        "page": Paginator(queries.events(serving), PER_PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "serving/_history.html" if request.htmx else "serving/history.html", context)


@login_required
@require_safe
def calls(request: PageRequest, project: str, name: str) -> HttpResponse:
    found, serving = load(request, project, name)
    records = queries.inference_records(serving)[:RECORDS_SHOWN]
    context = {"access": found, "serving": serving, "records": records}
    return render(request, "serving/calls.html", context)
