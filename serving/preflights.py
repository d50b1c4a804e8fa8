"""Asks for pre-flights: everything that decides how a replica starts is checked once and the result shared."""

import hashlib
import json
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.models import Project, User
from accounts.work import ask_on_commit
from models_registry import artifacts
from models_registry.models import Artifact
from serving.models import Preflight, Revision

COLUMNS = (
    "model_version_id",
    "script_path",
    "script_id",
    "transformer_path",
    "transformer_id",
    "transformer_placement",
    "transformer_cores",
    "transformer_memory_mb",
    "python",
    "requirements",
    "resolution_id",
    "class_name",
    "variables",
    "cores",
    "memory_mb",
    "gpus",
)
EXEMPTIONS = "exemptions"


@transaction.atomic
def ask(*, project: Project, user: User | None, revision: Revision) -> Preflight:
    """The pre-flight of a revision, saved or not: the one there is, or a new one that the worker will make.

    One that was red for a cause outside of what it checked is made anew.
    """
    subject = {name: getattr(revision, name) for name in COLUMNS}
    subject |= {"deployer": revision.deployer or settings.DEPLOYER, EXEMPTIONS: sorted(revision.exemptions)}
    digest = _digest(subject, revision)
    base = revision.artifact or artifacts.model_only(version=revision.model_version)
    places = {"artifact_id": base.pk, "environment_id": revision.environment_id}
    found, is_new = Preflight.objects.get_or_create(
        project=project, digest=digest, defaults={"subject": subject | places, "asked_by": user}
    )
    if is_new:
        ask_on_commit("worker.preflight", found.pk)
    elif found.may_pass_by_itself:
        ask_again(preflight=found, user=user)
        found.refresh_from_db()
    return found


@transaction.atomic
def ask_again(*, preflight: Preflight, user: User | None) -> None:
    """Forget what was found and check anew; one that is under way goes on."""
    finished = (Preflight.State.PASSED, Preflight.State.FAILED)
    Preflight.objects.filter(pk=preflight.pk, state__in=finished).update(
        state=Preflight.State.WAITING, checks=[], log="", asked_by=user, started_at=None, finished_at=None
    )
    ask_on_commit("worker.preflight", preflight.pk)


def revision_of(preflight: Preflight) -> Revision:
    """An unsaved revision that would start as the subject says."""
    subject = {name: value for name, value in preflight.subject.items() if name != EXEMPTIONS}
    return Revision(number=0, **subject)


def exemptions_of(preflight: Preflight) -> frozenset[str]:
    """What its container may do beyond the default, as the revision's may."""
    return frozenset(preflight.subject.get(EXEMPTIONS, ()))


def _digest(subject: dict[str, Any], revision: Revision) -> str:
    """Of what is checked, whatever its rows are; the files count by their bytes, not by the artifact's number."""
    facts = subject | {"files": _files(revision), "packages": _packages(revision)}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _files(revision: Revision) -> str:
    if revision.artifact is not None and revision.artifact.number != Artifact.MODEL_ONLY:
        return revision.artifact.digest
    transformer = None
    if revision.transformer is not None:
        transformer = (revision.transformer_name, revision.transformer)
    if revision.artifact is not None and transformer is None:
        return revision.artifact.digest
    return artifacts.digest_of(artifacts.manifest_of(revision.model_version, transformer))


def _packages(revision: Revision) -> str:
    if revision.resolution is not None or revision.environment is None:
        return ""
    return revision.environment.key
