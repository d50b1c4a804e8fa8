"""Reads over servings and what belongs to them."""

import hashlib
from collections.abc import Iterable

from django.db.models import Count, F, Q, QuerySet
from django.db.models.functions import Lower

from accounts.models import Project
from serving.errors import NoSuchServing
from serving.models import InferenceRecord, Replica, Revision, Serving, ServingEvent
from serving.states import ReplicaState


def servings(project: Project) -> QuerySet[Serving]:
    """The project's servings by name, each with `replicas_ready`."""
    return (
        Serving.objects.filter(project=project, is_deleted=False)
        .select_related(
            "project",
            "created_by",
            "revision__model_version__model",
            "revision__artifact",
            "revision__created_by",
        )
        .annotate(replicas_ready=Count("replicas", filter=Q(replicas__state=ReplicaState.READY)))
        .order_by(Lower("name"))
    )


def serving(project: Project, name: str) -> Serving:
    found = servings(project).filter(name=name).first()
    if found is None:
        raise NoSuchServing(f"There is no serving {name} in {project}.")
    return found


def search(project: Project, text: str) -> QuerySet[Serving]:
    """Servings whose name, model or status contains `text`."""
    found = servings(project)
    for word in text.split():
        found = found.filter(
            Q(name__icontains=word)
            | Q(revision__model_version__model__name__icontains=word)
            | Q(status__icontains=word)
        )
    return found


def list_tag(project: Project) -> str:
    """Changes whenever anything shown in the project's list changes."""
    rows = Serving.objects.filter(project=project, is_deleted=False).order_by("pk")
    return _tag(rows.values_list("pk", "generation", "changed_at", "updated_at"))


def serving_tag(serving: Serving) -> str:
    rows = Serving.objects.filter(pk=serving.pk)
    return _tag(rows.values_list("pk", "generation", "changed_at", "updated_at"))


def _tag(rows: Iterable[tuple[object, ...]]) -> str:
    return hashlib.blake2b(repr(list(rows)).encode(), digest_size=8).hexdigest()


def revisions(serving: Serving) -> QuerySet[Revision]:
    return serving.revisions.select_related("created_by", "model_version__model", "artifact").order_by(
        "-number"
    )


def replicas(serving: Serving) -> QuerySet[Replica]:
    """Living replicas first, then those that ended, newest first."""
    return serving.replicas.order_by(F("ended_at").desc(nulls_first=True), "-revision", "slot")


def events(serving: Serving) -> QuerySet[ServingEvent]:
    return serving.events.order_by("-id")


def inference_records(serving: Serving) -> QuerySet[InferenceRecord]:
    return serving.inference_records.order_by("-requested_at", "-id")


def ready_addresses(serving: Serving) -> list[str]:
    """Where the ready replicas answer, those of the wanted revision first."""
    current = serving.revision.number if serving.revision else 0
    ready = Replica.objects.filter(serving=serving, state=ReplicaState.READY).exclude(address="")
    found = sorted(ready, key=lambda replica: (replica.revision != current, replica.slot))
    return [replica.address for replica in found]


def topics(project: Project) -> list[str]:
    """Every topic the project's servings have logged to."""
    found = Revision.objects.filter(serving__project=project).exclude(topic="").order_by("topic")
    return list(found.values_list("topic", flat=True).distinct())
