"""The list of a project's servings, which keeps itself current."""

import hashlib

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django_htmx.http import ptag

from accounts import access
from accounts.pages import PageRequest
from serving import queries


def _tag(request: PageRequest, project: str) -> str:
    found = access.project(request, project)
    text = hashlib.blake2b(_text(request).encode(), digest_size=4).hexdigest()
    return f"{queries.list_tag(found.project)}-{text}"


@login_required
@require_safe
@ptag(_tag)
def servings(request: PageRequest, project: str) -> HttpResponse:
    found = access.project(request, project)
    text = _text(request)
    context = {
        "access": found,
        "servings": queries.search(found.project, text),
        "text": text,
        "tag": _tag(request, project),
    }
    return render(request, "serving/_list.html" if request.htmx else "serving/list.html", context)


def _text(request: PageRequest) -> str:
    return request.GET.get("q", "").replace("\0", "").strip()[:100]
