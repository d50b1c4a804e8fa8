"""The logs of a serving's replicas, also of those that ended; a poll brings the page's header along."""

import hashlib
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django_htmx.http import ptag

from accounts.pages import PageRequest
from serving import logs, queries
from serving.models import Serving
from serving.views.loading import load

CHOICES_OF_LINES = (200, 1000, 5000)
MOST_SHOWN = 6


@dataclass(frozen=True)
class Line:
    """A line of a log and, where it begins with one, its time."""

    time: str
    text: str


def _tag(request: PageRequest, project: str, name: str) -> str:
    return _tag_of(request, load(request, project, name)[1])


def _tag_of(request: PageRequest, serving: Serving) -> str:
    facts = (queries.serving_tag(serving), logs.tag(serving), _asked(request))
    return hashlib.blake2b(repr(facts).encode(), digest_size=8).hexdigest()


@login_required
@require_safe
@ptag(_tag)
def show(request: PageRequest, project: str, name: str) -> HttpResponse:
    found, serving = load(request, project, name)
    asked = _asked(request)
    names = _in_order(serving)
    shown = [name for name in names if asked["replica"] in {"", name}][:MOST_SHOWN]
    context = {
        "access": found,
        "serving": serving,
        "tag": _tag_of(request, serving),
        "names": names,
        "logs": [_log(serving, name, asked) for name in shown],
        "is_cut": not asked["replica"] and len(names) > MOST_SHOWN,
        "choices_of_lines": CHOICES_OF_LINES,
        **asked,
    }
    return render(request, "serving/_logs.html" if request.htmx else "serving/logs.html", context)


@login_required
@require_safe
def download(request: PageRequest, project: str, name: str, replica: str) -> HttpResponseBase:
    _, serving = load(request, project, name)
    path = logs.path_of(serving, replica)
    if path is None:
        raise Http404(f"There is no log of a replica {replica} of {serving}.")
    return FileResponse(
        path.open("rb"),
        as_attachment=True,
        filename=f"{serving}-{replica}.log",
        content_type="text/plain; charset=utf-8",
    )


def _in_order(serving: Serving) -> list[str]:
    """Living replicas first, and not the one that wrote last, so that logs stay in their places while read."""
    known = [replica.name for replica in queries.replicas(serving)]
    order = {name: place for place, name in enumerate(known)}
    return sorted(logs.replicas_with_logs(serving), key=lambda name: (order.get(name, len(order)), name))


def _log(serving: Serving, name: str, asked: dict[str, Any]) -> dict[str, Any]:
    lines = [line for log in logs.tail(serving, **(asked | {"replica": name})) for line in log.lines]
    return {"name": name, "lines": [_split(line) for line in lines]}


def _asked(request: PageRequest) -> dict[str, Any]:
    """The arguments of `logs.tail`, from the page's address."""
    lines = request.GET.get("lines", "")
    return {
        "replica": request.GET.get("replica", ""),
        "search": request.GET.get("search", ""),
        "lines": int(lines) if lines in map(str, CHOICES_OF_LINES) else CHOICES_OF_LINES[0],
    }


def _split(line: str) -> Line:
    time, space, text = line.partition(" ")
    is_time = bool(space) and time[:4].isdecimal() and "T" in time
    return Line(time, text) if is_time else Line("", line)
