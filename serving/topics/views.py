"""The pages of topics: which there are, one of them, a new one, its messages, its end; and schemas."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import ptag

from accounts import access
from accounts.access import Access
from accounts.models import Scope
from accounts.pages import PageRequest
from models_registry.storage import StorageError
from serving.errors import ServingError
from serving.models import Topic
from serving.topics import queries, services, showing
from serving.topics.errors import NoSuchTopic
from serving.topics.forms import PublishForm, TopicForm
from serving.topics.showing import Row
from serving.views.doing import do

LETTERS_SHOWN = 20
PER_PAGE = 50


def _load(
    request: PageRequest, project: str, topic: str, *, needs: Scope = Scope.READ
) -> tuple[Access, Topic]:
    found = access.project(request, project, needs=needs)
    try:
        return found, queries.topic(found.project, topic)
    except NoSuchTopic as error:
        raise Http404(str(error)) from None


def _list_tag(request: PageRequest, project: str) -> str:
    page = request.GET.get("page", "")
    number = page[:9] if page.isascii() and page.isdecimal() else ""
    return f"{queries.list_tag(access.project(request, project).project)}-{number}"


@login_required
@require_safe
@ptag(_list_tag)
def topics(request: PageRequest, project: str) -> HttpResponse:
    found = access.project(request, project)
    page = Paginator(queries.topics(found.project), PER_PAGE).get_page(request.GET.get("page"))
    uses = queries.uses(found.project, [each.name for each in page])
    context = {
        "access": found,
        "page": page,
        "rows": [Row(each, uses[each.name]) for each in page],
        "tag": _list_tag(request, project),
    }
    return render(request, "topics/_list.html" if request.htmx else "topics/list.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: PageRequest, project: str) -> HttpResponse:
    found = access.project(request, project, needs=Scope.WRITE)
    form = TopicForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            made, is_new = services.create(access=found, wanted=form.wanted())
        except ServingError as error:
            form.refuse(str(error), error.field)
        else:
            said = f"{made} is being made." if is_new else f"{made} exists, and it is just that."
            messages.success(request, said)
            return redirect("topic", project, made.name)
    context = {"access": found, "form": form}
    return render(request, "topics/create.html", context, status=400 if form.errors else 200)


def _tag(request: PageRequest, project: str, topic: str) -> str:
    return queries.tag(_load(request, project, topic)[1])


@login_required
@require_safe
@ptag(_tag)
def show(request: PageRequest, project: str, topic: str) -> HttpResponse:
    found, shown = _load(request, project, topic)
    context = _context(found, shown, PublishForm())
    return render(request, "topics/_topic.html" if request.htmx else "topics/topic.html", context)


@login_required
@require_POST
def publish(request: PageRequest, project: str, topic: str) -> HttpResponse:
    found, shown = _load(request, project, topic, needs=Scope.WRITE)
    form = PublishForm(request.POST)
    if form.is_valid():
        values = form.values()
        try:
            services.publish(access=found, topic=shown, values=values)
        except (ServingError, StorageError) as error:
            form.add_error("messages", str(error))
        else:
            count = "1 message" if len(values) == 1 else f"{len(values)} messages"
            messages.success(request, f"{count} added to {shown}.")
            return redirect("topic", project, topic)
    return render(request, "topics/topic.html", _context(found, shown, form), status=400)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: PageRequest, project: str, topic: str) -> HttpResponse:
    found, shown = _load(request, project, topic, needs=Scope.WRITE)
    if request.method == "POST":
        said = (
            f"{topic} is being forgotten here; Kafka keeps it."
            if shown.stays
            else f"{topic} and its messages are being removed."
        )
        do(request, said, lambda: services.delete(access=found, topic=shown))
        return redirect("topics", project)
    row = Row(shown, queries.uses(found.project, [topic])[topic])
    return render(request, "topics/delete.html", {"access": found, "topic": shown, "row": row})


@login_required
@require_safe
def schema(request: PageRequest, project: str, subject: str, schema_version: str) -> HttpResponse:
    """One version of a subject's schema, with the ways to the others."""
    found = access.project(request, project)
    try:
        shown = queries.version(found.project, subject, schema_version)
        versions = queries.versions(found.project, subject)
    except NoSuchTopic as error:
        raise Http404(str(error)) from None
    context = {"access": found, "schema": shown, "versions": [*versions]}
    return render(request, "topics/schema.html", context)


def _context(found: Access, topic: Topic, form: PublishForm) -> dict[str, Any]:
    schema = queries.schema(topic)
    letters = queries.dead_letters(topic)[:LETTERS_SHOWN]
    return {
        "access": found,
        "topic": topic,
        "row": Row(topic, queries.uses(found.project, [topic.name])[topic.name]),
        "schema": schema,
        "versions": [*queries.versions(found.project, schema.subject)] if schema else [],
        "letters": [showing.letter(each) for each in letters],
        "letters_in_all": queries.dead_letters(topic).count(),
        "form": form,
        "tag": queries.tag(topic),
    }
