"""Changes of the wish: create, edit, start, stop, roll back, delete; each one transaction and one event."""

import dataclasses
import secrets
from collections.abc import Set
from typing import Any

from django.conf import settings as platform
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.access import Access
from accounts.models import Project
from accounts.services import record
from models_registry import paths
from serving import (
    containment,
    drafting,
    overriding,
    preflights,
    queries,
    safety,
    scaling,
    settings,
    verdicts,
    wishes,
    work,
)
from serving.environments import service as environments
from serving.errors import EditedMeanwhile, NameTaken, NoSuchServing, ServingError
from serving.models import Preflight, Revision, Serving, serving_name
from serving.settings import Settings
from serving.topics import services as topics


@transaction.atomic
def create(*, access: Access, wanted: Settings) -> tuple[Serving, bool]:
    """Create a serving; the same settings once more return it unchanged, other ones are refused."""
    _check_name(wanted.name)
    existing = queries.servings(access.project).filter(name__iexact=wanted.name).first()
    if existing is not None:
        return _same_or_taken(access, existing, wanted), False
    revision = drafting.revision(access.project, wanted, None)
    serving = Serving(
        project=access.project,
        name=wanted.name,
        description=wanted.description,
        port=_free_port(),
        created_by=access.user,
    )
    try:
        with transaction.atomic():
            serving.save()
    except IntegrityError:
        existing = queries.servings(access.project).filter(name__iexact=wanted.name).first()
        if existing is None:
            raise ServingError("Somebody else was given the same port just now; try again.") from None
        return _same_or_taken(access, existing, wanted), False
    wishes.adopt(access, serving, revision)
    wishes.tell(access, serving, "created", f"Created with {revision.model_version}")
    work.reconcile_on_commit(serving)
    return serving, True


@transaction.atomic
def update(
    *, access: Access, serving: Serving, expected_revision: int | None = None, changes: dict[str, Any]
) -> Serving:
    """Change some settings; what would run stays the same revision if nothing of it changed.

    `expected_revision` is the revision the editor saw: another one now means somebody was faster.
    """
    serving = wishes.locked(serving)
    current = serving.current
    check_expected(serving, expected_revision)
    wanted = with_changes(serving, changes)
    revision = edited(access.project, serving, wanted, changes.keys())
    if wanted.description != serving.description:
        Serving.objects.filter(pk=serving.pk).update(
            description=wanted.description, updated_at=timezone.now()
        )
        wishes.tell(access, serving, "edited", "Changed the description")
    is_rescaled = wanted.replicas != settings.of(serving).replicas
    if settings.differ_in_more_than_number(current, revision):
        wishes.check_no_canary(serving)
        wishes.adopt(access, serving, revision, scale=None if is_rescaled else serving.scale)
        wishes.tell(access, serving, "edited", f"Revision {revision.number}: {changed(current, revision)}")
        work.reconcile_on_commit(serving)
    elif is_rescaled:
        scaling.scale(access=access, serving=serving, replicas=wanted.replicas)
    return queries.serving(access.project, serving.name)


def check_expected(serving: Serving, expected_revision: int | None) -> None:
    """Raises EditedMeanwhile if the editor saw another revision than the current one."""
    if expected_revision is not None and expected_revision != serving.current.number:
        raise EditedMeanwhile(_who_was_faster(serving, serving.current))


def edited(project: Project, serving: Serving, wanted: Settings, names: Set[str]) -> Revision:
    """The unsaved revision that an edit of the settings with these names would make of the current one.

    A number of replicas that was asked for by hand stays out of it unless the edit gives another one.
    """
    revision = drafting.edit(project, wanted, serving.current, names)
    if wanted.replicas == settings.of(serving).replicas:
        revision.replicas = serving.current.replicas
    return revision


@transaction.atomic
def roll_back(*, access: Access, serving: Serving, number: int) -> Serving:
    """Make a new revision that is a copy of an earlier one, its artifact included."""
    serving = wishes.locked(serving)
    wishes.check_no_canary(serving)
    earlier = serving.revisions.filter(number=number).first()
    if earlier is None:
        raise NoSuchServing(f"{serving} has no revision {number}.")
    drafting.streaming.check_again(serving, earlier)
    copy = Revision(**{name: getattr(earlier, name) for name in settings.SNAPSHOT})
    copy.overridden_by = earlier.overridden_by
    left = _leave_alias(copy)
    wishes.adopt(access, serving, copy)
    wishes.tell(access, serving, "rolled back", f"Revision {copy.number} is revision {number} again{left}")
    work.reconcile_on_commit(serving)
    return queries.serving(access.project, serving.name)


@transaction.atomic
def start(*, access: Access, serving: Serving, override: bool = False) -> Serving:
    """Want the serving to run; a running one stays as it is, a failed one gets new attempts.

    `override` runs a revision whose pre-flight is red, which only an owner may.
    """
    serving = wishes.locked(serving)
    if serving.wanted_replicas and not serving.has_given_up:
        return queries.serving(access.project, serving.name)
    safety.check(access.project, serving.current)
    overriding.check(access=access, serving=serving, override=override)
    environments.forget_failure(serving.current)
    wishes.write(
        serving,
        wanted_replicas=settings.of(serving).replicas,
        canary_failure=None,
        good_revision=serving.good_revision if serving.wanted_replicas else None,
        deployed_at=timezone.now(),
        was_ready=False,
        **wishes.NEW_ATTEMPTS,
    )
    wishes.tell(access, serving, "started", f"Asked to run {_replicas(serving.wanted_total)}")
    work.reconcile_on_commit(serving)
    return queries.serving(access.project, serving.name)


def with_changes(serving: Serving, changes: dict[str, Any]) -> Settings:
    """What an edit would ask for."""
    if "name" in changes and changes["name"] != serving.name:
        raise ServingError("A serving keeps its name; create another one instead.", field="name")
    now = settings.of(serving)
    if changes.get("alias") == "" and now.alias and not changes.keys() & {"model_version", "script"}:
        changes = changes | {"model_version": serving.current.model_version.number}  # it stays where it is
    return dataclasses.replace(now, **_with_their_model(serving.project, changes))


def check(*, access: Access, wanted: Settings, serving: Serving | None = None) -> Preflight:
    """Have settings checked without saving them: the very files and packages that saving them would run."""
    if serving is None:
        draft = drafting.revision(access.project, wanted, None)
    else:
        changed = settings.differing(settings.of(serving), wanted)
        draft = drafting.edit(access.project, wanted, serving.current, changed)
        draft.exemptions = serving.exemptions
    containment.check(access, draft, serving.current if serving else None)
    return preflights.ask(project=access.project, user=access.user, revision=draft)


@transaction.atomic
def check_again(*, access: Access, serving: Serving) -> Preflight:
    """Have the current revision checked once more, whatever the last pre-flight found."""
    revision = wishes.locked(serving).current
    found = revision.preflight or preflights.ask(project=access.project, user=access.user, revision=revision)
    Revision.objects.filter(pk=revision.pk).update(preflight=found)
    environments.forget_failure(revision)
    preflights.ask_again(preflight=found, user=access.user)
    verdicts.refresh(serving)
    found.refresh_from_db()
    return found


@transaction.atomic
def stop(*, access: Access, serving: Serving) -> Serving:
    """Want the serving not to run; honoured in every state."""
    serving = wishes.locked(serving)
    if serving.wanted_replicas == 0 and serving.failure is None:
        return queries.serving(access.project, serving.name)
    wishes.write(
        serving,
        wanted_replicas=0,
        was_ready=False,
        good_revision=None,
        canary_failure=None,
        **wishes.NEW_ATTEMPTS,
    )
    wishes.tell(access, serving, "stopped", "Asked to stop")
    work.reconcile_on_commit(serving)
    return queries.serving(access.project, serving.name)


@transaction.atomic
def delete(*, access: Access, serving: Serving, with_topic: bool = False) -> None:
    """Take the serving away at once; the worker ends its replicas, then its rows.

    Its topic stays unless it is to go `with_topic`, which is refused while another serving uses it.
    """
    serving = wishes.locked(serving)
    if with_topic:
        topics.delete_with(access, serving)
    wishes.write(serving, wanted_replicas=0, is_deleted=True)
    serving.revisions.all().delete()  # the model versions they kept in use are free from now on
    record(project=access.project, actor=access.user.username, action="delete_serving", target=serving.name)
    work.reconcile_on_commit(serving)


def _same_or_taken(access: Access, existing: Serving, wanted: Settings) -> Serving:
    current = existing.current
    if (existing.name, existing.description) == (wanted.name, wanted.description):
        asked = drafting.revision(access.project, wanted, current)
        if settings.same(asked, current):
            return existing
    raise NameTaken(
        f"There is a serving {existing.name} in {access.project} already; edit it or choose another name.",
        field="name",
    )


def _check_name(name: str) -> None:
    try:
        serving_name(name)
    except ValidationError as error:
        raise ServingError(" ".join(error.messages), field="name") from None


def _free_port() -> int:
    """A port no serving of this installation has; the replicas say so if another program has it."""
    taken = set(Serving.objects.values_list("port", flat=True))
    free = [port for port in platform.SERVING_PORTS if port not in taken]
    if not free:
        raise ServingError(
            "Every port of HOPYARD_SERVING_PORTS is taken; delete a serving or widen the range."
        )
    return secrets.choice(free)


def _with_their_model(project: Project, changes: dict[str, Any]) -> dict[str, Any]:
    """A script of a version brings its model along, and a version takes the place of an alias, or the other way."""
    if paths.in_version(changes.get("script", "").removeprefix(f"/Projects/{project.name}/")):
        changes = {"model": None, "model_version": None} | changes
    if changes.get("alias"):
        return {"model_version": None} | changes
    if changes.get("model_version") is not None:
        return {"alias": ""} | changes
    return changes


def _leave_alias(copy: Revision) -> str:
    """An alias that names another version by now would undo the roll back; the words that say so."""
    alias = copy.alias
    if not alias or copy.model_version.aliases.filter(name=alias).exists():
        return ""
    copy.alias = ""
    return f", and no longer follows {alias}, which names another version now"


def changed(old: Revision, new: Revision) -> str:
    """What a new revision changes, in words."""
    names = settings.changed(old, new)
    return "changed " + ", ".join(dict.fromkeys(settings.label(name) for name in names))


def _who_was_faster(serving: Serving, current: Revision) -> str:
    who = current.created_by.username if current.created_by else "Somebody"
    return (
        f"{who} changed {serving.name} to revision {current.number} while you were editing; "
        "look at the new settings and make your change again."
    )


def _replicas(number: int) -> str:
    return "1 replica" if number == 1 else f"{number} replicas"
