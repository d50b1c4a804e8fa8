"""What a red pre-flight means for a start: it is refused, unless an owner says otherwise, which is recorded."""

from django.core.exceptions import PermissionDenied

from accounts.access import Access
from accounts.services import record
from serving.errors import PreflightFailed
from serving.models import Revision, Serving, ServingEvent


def check(*, access: Access, serving: Serving, override: bool) -> None:
    """Raises PreflightFailed if the current revision's pre-flight is red and nobody has overridden it."""
    revision = serving.current
    if not revision.is_refused:
        return
    if not override:
        raise PreflightFailed(_refusal(revision))
    if not access.can_admin:
        raise PermissionDenied("Only an owner may start a serving whose pre-flight is red.")
    Revision.objects.filter(pk=revision.pk).update(overridden_by=access.user)
    serving.refresh_from_db()
    reasons = [str(check["sentence"]) for check in _failed(revision)]
    ServingEvent.objects.create(
        serving=serving,
        actor=access.user.username,
        kind="overrode",
        text=f"Starts revision {revision.number} although its pre-flight is red",
        detail={"checks": reasons},
    )
    record(
        project=access.project,
        actor=access.user.username,
        action="override_preflight",
        target=f"{serving.name} revision {revision.number}",
        checks=reasons,
    )


def _failed(revision: Revision) -> list[dict[str, object]]:
    return revision.preflight.failed_checks if revision.preflight else []


def _refusal(revision: Revision) -> str:
    first = next((str(check["sentence"]) for check in _failed(revision)), "")
    number = revision.number
    return (
        f"The pre-flight of revision {number} is red: {first} Correct that, or let an owner start it anyway."
    )
