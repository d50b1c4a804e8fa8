"""The pages of one serving: overview, history."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django_htmx.http import ptag

from accounts.pages import PageRequest
from serving import addresses, advice, commands, enforcement, examples, queries, rollouts, settings
from serving.environments import queries as environments
from serving.environments.showing import Build
from serving.forms.rollout import PaceForm, PercentForm, ScaleForm
from serving.forms.trying import TryForm
from serving.models import Replica, Serving
from serving.views.loading import load

REPLICAS_SHOWN = 20
PER_PAGE = 50


@dataclass(frozen=True)
class ShownReplica:
    """A replica with what it may use."""

    replica: Replica
    resources: str


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
        "build": Build(serving.current),
        "skews": environments.skews(serving.current),
        "preflight": serving.current.preflight,
        "advice": advice.on(serving.failure["code"]) if serving.failure else None,
        "try_form": TryForm(bodies=bodies),
        **_rollout(serving),
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


def _rollout(serving: Serving) -> dict[str, Any]:
    """Replicas, and how an update or a canary goes."""
    replicas = list(queries.replicas(serving))
    progress = rollouts.progress(serving, replicas)
    number = settings.of(serving).replicas
    pace = {"surge": serving.surge, "pace_seconds": serving.pace_seconds}
    return {
        "replicas": _shown(serving, replicas[:REPLICAS_SHOWN]),
        "progress": progress if len(progress) > 1 else [],
        "calls": rollouts.calls_beside_canary(serving),
        "place": enforcement.place(serving.current),
        "limits": enforcement.limits(serving.current),
        "caveat": enforcement.caveat(serving.current),
        "is_contained": enforcement.is_contained(serving.current),
        "doors": [door for door in enforcement.doors(serving.open_exemptions) if door.is_open],
        "number": number,
        "scale_form": ScaleForm(initial={"replicas": number}),
        "pace_form": PaceForm(initial=pace),
        "percent_form": PercentForm(initial={"percent": serving.canary_percent}),
    }


def _shown(serving: Serving, replicas: list[Replica]) -> list[ShownReplica]:
    numbers = {replica.revision for replica in replicas}
    revisions = {each.number: each for each in serving.revisions.filter(number__in=numbers)}
    return [
        ShownReplica(each, enforcement.resources(revisions[each.revision], each.component))
        if each.revision in revisions
        else ShownReplica(each, "")
        for each in replicas
    ]
