"""What a red pre-flight means for a start: it is refused, unless an owner says otherwise, which is recorded."""

from django.core.exceptions import PermissionDenied

from accounts.access import Access
from accounts.models import Role
from accounts.services import record
from serving import preflights
from serving.errors import PreflightFailed
from serving.models import Revision, Serving, ServingEvent


def check(*, access: Access, serving: Serving, override: bool) -> None:
    """Raises PreflightFailed if the current revision's pre-flight is red and nobody has overridden it.

    One that is red for a cause outside of what it checked is made anew instead, before anything starts.
    """
    revision = serving.current
    if not revision.is_red:
        return
    if revision.preflight is not None and not revision.is_refused and not override:
        preflights.ask_again(preflight=revision.preflight, user=access.user)
        serving.refresh_from_db()
        return
    if not override or _lacks_packages(revision):
        raise PreflightFailed(_refusal(revision))
    if not access.can_admin:
        raise PermissionDenied(
            "This API key lacks the scope “admin”, which starting in spite of a red pre-flight needs."
            if access.role == Role.OWNER
            else "Only an owner may start a serving whose pre-flight is red."
        )
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


def _lacks_packages(revision: Revision) -> bool:
    """Which no wish can mend."""
    return revision.preflight is not None and revision.preflight.lacks_packages


def _failed(revision: Revision) -> list[dict[str, object]]:
    return revision.preflight.failed_checks if revision.preflight else []


def _refusal(revision: Revision) -> str:
    first = next((str(check["sentence"]) for check in _failed(revision)), "")
    way = "" if _lacks_packages(revision) else " Correct that, or let an owner start it anyway."
    return f"The pre-flight of revision {revision.number} is red: {first}{way}"
