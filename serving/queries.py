"""Reads over servings and what belongs to them."""

import hashlib
from collections.abc import Iterable

from django.db.models import Count, Exists, F, OuterRef, Prefetch, Q, QuerySet
from django.db.models.functions import Lower

from accounts.models import Project
from models_registry.models import Artifact
from serving.errors import NoSuchServing
from serving.models import InferenceRecord, Placement, Preflight, Replica, Revision, Serving, ServingEvent
from serving.states import Component, ReplicaState


def servings(project: Project) -> QuerySet[Serving]:
    """The project's servings by name, each with `replicas_ready` and, of its canary, `canary_ready`; `exempted` are
    the revisions that have exemptions and replicas that live.
    """
    living = Replica.objects.exclude(state=ReplicaState.EXITED)
    has_replicas = Exists(living.filter(serving=OuterRef("serving"), revision=OuterRef("number")))
    exempted = Revision.objects.filter(has_replicas).exclude(exemptions=[])
    is_ready = Q(replicas__state=ReplicaState.READY)
    is_canary = Q(canary__isnull=False, replicas__revision=F("canary__number"))
    return (
        Serving.objects.filter(project=project, is_deleted=False)
        .select_related(
            "project",
            "created_by",
            "revision__model_version__model",
            "revision__artifact",
            "revision__environment",
            "revision__preflight",
            "revision__transformer",
            "revision__created_by",
            "revision__overridden_by",
            "canary",
        )
        .prefetch_related(Prefetch("revisions", exempted, to_attr="exempted"))
        .annotate(
            replicas_ready=Count("replicas", filter=is_ready & ~is_canary),
            canary_ready=Count("replicas", filter=is_ready & is_canary),
        )
        .order_by(Lower("name"))
    )


def serving(project: Project, name: str) -> Serving:
    found = servings(project).filter(name=name).first()
    if found is None:
        raise NoSuchServing(f"There is no serving {name} in {project}.")
    return found


def asked(project: Project, name: str) -> Serving:
    """The serving for a prediction, without what only pages and the API show of it."""
    found = Serving.objects.select_related("project", "revision", "canary")
    serving = found.filter(project=project, is_deleted=False, name=name).first()
    if serving is None:
        raise NoSuchServing(f"There is no serving {name} in {project}.")
    return serving


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
    return serving.revisions.select_related(
        "created_by", "overridden_by", "model_version__model", "artifact", "environment"
    ).order_by("-number")


def revision(serving: Serving, number: int) -> Revision:
    found = revisions(serving).filter(number=number).first()
    if found is None:
        raise NoSuchServing(f"{serving} has no revision {number}.")
    return found


def replicas(serving: Serving) -> QuerySet[Replica]:
    """Living replicas first, then those that ended, newest first."""
    return serving.replicas.order_by(F("ended_at").desc(nulls_first=True), "-revision", "slot")


def events(serving: Serving) -> QuerySet[ServingEvent]:
    return serving.events.order_by("-id")


def inference_records(serving: Serving) -> QuerySet[InferenceRecord]:
    return serving.inference_records.order_by("-requested_at", "-id")


def ready_addresses(serving: Serving) -> list[str]:
    """Where the ready replicas that callers come to answer, those of the wanted revision first."""
    return [replica.address for replica in ready_fronts(serving)]


def ready_fronts(serving: Serving) -> list[Replica]:
    """The ready replicas that callers come to, those of the wanted revision first."""
    current = serving.revision.number if serving.revision else 0
    ready = list(Replica.objects.filter(serving=serving, state=ReplicaState.READY).exclude(address=""))
    behind = _behind(serving, {replica.revision for replica in ready})
    fronts = [
        replica
        for replica in ready
        if replica.component == Component.TRANSFORMER or replica.revision not in behind
    ]
    return sorted(fronts, key=lambda replica: (replica.revision != current, replica.slot))


def _behind(serving: Serving, numbers: set[int]) -> set[int]:
    """Which revisions' predictors callers do not come to; asked of the database during a change of revision only."""
    current = serving.revision
    if current is not None and numbers <= {current.number}:
        return numbers if current.has_separate_transformer else set()
    return revisions_with_transformers(serving)


def revisions_with_transformers(serving: Serving) -> set[int]:
    """The numbers of the revisions whose predictors stand behind transformers in replicas of their own."""
    found = Revision.objects.filter(serving=serving, transformer_placement=Placement.SEPARATE)
    return set(found.exclude(transformer=None).values_list("number", flat=True))


def preflight(project: Project, number: int) -> Preflight:
    found = Preflight.objects.filter(project=project, pk=number).first()
    if found is None:
        raise NoSuchServing(f"There is no pre-flight {number} in {project}; ask for one.")
    return found


def preflight_tag(preflight: Preflight) -> str:
    """Changes whenever the list of its checks would be shown differently."""
    return _tag([(preflight.pk, preflight.state, preflight.checks)])


def numbered_artifacts(project: Project) -> QuerySet[Artifact]:
    """Those with a transformer, by model, version and number."""
    found = Artifact.objects.filter(version__model__project=project).exclude(number=Artifact.MODEL_ONLY)
    return found.select_related("version__model").order_by(
        "version__model__name", "version__number", "number"
    )
