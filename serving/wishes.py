"""How a wish is written: the row locked, the new revision saved, the status derived anew, the event told."""

from typing import Any

from django.db.models import F
from django.utils import timezone

from accounts.access import Access
from serving import containment, preflights, settings, verdicts
from serving.drafting import artifacts
from serving.errors import CanaryRunning, NoSuchServing
from serving.models import Revision, Serving, ServingEvent
from serving.topics import services as topics

NEW_ATTEMPTS: dict[str, Any] = {"setbacks": {}, "failure": None, "has_given_up": False}


def locked(serving: Serving) -> Serving:
    """The row as it is now, held until the transaction ends."""
    found = Serving.objects.select_for_update().filter(pk=serving.pk, is_deleted=False).first()
    if found is None:
        raise NoSuchServing(f"{serving} has been deleted.")
    return found


def write(serving: Serving, **changes: Any) -> None:
    """Write a new wish and what it makes of the status."""
    Serving.objects.filter(pk=serving.pk).update(
        generation=F("generation") + 1, updated_at=timezone.now(), **changes
    )
    verdicts.refresh(serving)


def save(access: Access, serving: Serving, revision: Revision) -> None:
    """Save the revision under the next number, with its artifact, its topic, its exemptions and its pre-flight.

    Raises PermissionDenied if it would run outside of containers and the caller may not decide that.
    """
    containment.check(access, revision, serving.revision)
    artifacts.give(revision)
    newest = serving.revisions.order_by("-number").first()
    revision.serving = serving
    topics.give(access, revision)
    revision.number = 1 if newest is None else newest.number + 1
    revision.created_by = access.user
    revision.exemptions = [*serving.exemptions]
    revision.preflight = preflights.ask(project=access.project, user=access.user, revision=revision)
    revision.save()
    containment.tell(access, revision, serving.revision)


def adopt(access: Access, serving: Serving, revision: Revision, *, scale: int | None = None) -> None:
    """Save the revision and want it, in as many replicas as it says or, scaled by hand, as `scale` says."""
    save(access, serving, revision)
    want(serving, revision, scale=scale)


def want(serving: Serving, revision: Revision, *, scale: int | None, **changes: Any) -> None:
    """Want a saved revision instead of the one that was."""
    replicas = settings.replicas(revision, scale)
    write(
        serving,
        revision=revision,
        scale=scale,
        wanted_replicas=replicas if serving.wanted_replicas else 0,
        was_ready=False,
        preparing=_preparing(revision),
        **NEW_ATTEMPTS,
        **changes,
    )


def check_no_canary(serving: Serving) -> None:
    """Raises CanaryRunning: what it is compared with does not change under it."""
    if serving.canary is not None:
        raise CanaryRunning(
            f"Revision {serving.canary.number} of {serving} is a canary with {serving.canary_percent} % of the "
            "requests; promote or withdraw it first."
        )


def tell(access: Access, serving: Serving, kind: str, text: str) -> None:
    ServingEvent.objects.create(
        serving=serving, actor=access.user.username, kind=kind, status=serving.status, text=text
    )


def _preparing(revision: Revision) -> str:
    """What is known to be missing before the worker has looked."""
    found = revision.environment
    is_built = found is not None and found.state == found.State.READY
    return "" if is_built else "Preparing the environment"
