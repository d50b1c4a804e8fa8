"""The logs of a serving's replicas, also of those that ended; a poll brings the page's header along."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe
from django_htmx.http import ptag

from accounts.pages import PageRequest
from serving import log_answers, logs, queries
from serving.errors import NoSuchServing
from serving.models import Replica, Serving
from serving.views.loading import load

CHOICES_OF_LINES = (200, 1000, 5000)
CHOICES_OF_MINUTES = (
    (0, "at any time"),
    (5, "in the last 5 minutes"),
    (60, "in the last hour"),
    (24 * 60, "in the last day"),
)
MOST_SHOWN = 6


@dataclass(frozen=True)
class Line:
    """A line of a log and, where it begins with one, its time."""

    time: str
    text: str


@dataclass(frozen=True)
class Log:
    """The log of one attempt, whose row `replica` is None once the database has forgotten it."""

    name: str
    replica: Replica | None
    lines: list[Line]


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
    attempts = _attempts(serving)
    shown = [name for name in attempts if asked["replica"] in {"", name}][:MOST_SHOWN]
    context = {
        "access": found,
        "serving": serving,
        "tag": _tag_of(request, serving),
        "attempts": attempts,
        "logs": [Log(name, attempts[name], _lines(serving, name, asked)) for name in shown],
        "is_cut": not asked["replica"] and len(attempts) > MOST_SHOWN,
        "choices_of_lines": CHOICES_OF_LINES,
        "choices_of_minutes": CHOICES_OF_MINUTES,
        **asked,
    }
    return render(request, "serving/_logs.html" if request.htmx else "serving/logs.html", context)


@login_required
@require_safe
def download(request: PageRequest, project: str, name: str, replica: str) -> StreamingHttpResponse:
    _, serving = load(request, project, name)
    try:
        return log_answers.whole(serving, replica)
    except NoSuchServing as error:
        raise Http404(str(error)) from None


def _attempts(serving: Serving) -> dict[str, Replica | None]:
    """Living replicas first, and not the one that wrote last, so that logs stay in their places while read."""
    known = {replica.name: replica for replica in queries.replicas(serving)}
    order = {name: place for place, name in enumerate(known)}
    names = sorted(logs.replicas_with_logs(serving), key=lambda name: (order.get(name, len(order)), name))
    return {name: known.get(name) for name in names}


def _lines(serving: Serving, name: str, asked: dict[str, Any]) -> list[Line]:
    since = timezone.now() - timedelta(minutes=asked["minutes"]) if asked["minutes"] else None
    found = logs.tail(serving, replica=name, search=asked["search"], since=since, lines=asked["lines"])
    return [_split(line) for log in found for line in log.lines]


def _asked(request: PageRequest) -> dict[str, Any]:
    """What the page's address asks for."""
    return {
        "replica": request.GET.get("replica", ""),
        "search": request.GET.get("search", ""),
        "lines": _chosen(request.GET.get("lines", ""), CHOICES_OF_LINES),
        "minutes": _chosen(request.GET.get("minutes", ""), [minutes for minutes, _ in CHOICES_OF_MINUTES]),
    }


def _chosen(text: str, offered: "tuple[int, ...] | list[int]") -> int:
    """One of those offered; the first for anything else."""
    return next((each for each in offered if str(each) == text), offered[0])


def _split(line: str) -> Line:
    time, space, text = line.partition(" ")
    is_time = bool(space) and time[:4].isdecimal() and "T" in time
    return Line(time, text) if is_time else Line("", line)
