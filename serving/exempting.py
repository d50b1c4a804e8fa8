"""Exempts a serving's containers from parts of their hardening: an owner's decision, kept in the audit trail."""

from collections.abc import Set

from django.core.exceptions import PermissionDenied
from django.db import transaction

from accounts.access import Access
from accounts.models import Role
from accounts.services import record
from serving import queries, settings, wishes, work
from serving.errors import ServingError
from serving.models import Exemption, Revision, Serving


@transaction.atomic
def set_exemptions(*, access: Access, serving: Serving, exemptions: Set[str]) -> Serving:
    """Let the containers do exactly this beyond the default; running ones are replaced by a rolling update.

    Raises PermissionDenied for everybody but owners.
    """
    _check_right(access)
    serving = wishes.locked(serving)
    if unknown := sorted(set(exemptions) - set(Exemption.values)):
        known = ", ".join(Exemption.values)
        raise ServingError(f"There is no exemption {unknown[0]!r}; there are {known}.", field="exemptions")
    before, after = sorted(serving.exemptions), sorted(exemptions)
    if before == after:
        return queries.serving(access.project, serving.name)
    wishes.check_no_canary(serving)
    Serving.objects.filter(pk=serving.pk).update(exemptions=after)
    serving.exemptions = after
    _renew(access, serving)
    wishes.tell(access, serving, "exempted", _sentence(after))
    record(
        project=access.project,
        actor=access.user.username,
        action="set_exemptions",
        target=serving.name,
        before=before,
        after=after,
    )
    work.reconcile_on_commit(serving)
    return queries.serving(access.project, serving.name)


def _renew(access: Access, serving: Serving) -> None:
    """A container keeps what it was started with, and so does what was found out about the script in one: a new
    revision takes the place of the current one.
    """
    current = serving.current
    copy = Revision(**{name: getattr(current, name) for name in settings.SNAPSHOT})
    copy.overridden_by = current.overridden_by
    wishes.adopt(access, serving, copy, scale=serving.scale)


def _check_right(access: Access) -> None:
    if not access.can_admin:
        raise PermissionDenied(
            "This API key lacks the scope “admin”, which exemptions from the hardening need."
            if access.role == Role.OWNER
            else "Only an owner may exempt a serving from the hardening of its containers."
        )


def _sentence(exemptions: list[str]) -> str:
    if not exemptions:
        return "Exempted from nothing: its containers are hardened as by default"
    labels = [Exemption(each).label for each in exemptions]
    return f"Exempted from hardening: {', '.join(label[0].lower() + label[1:] for label in labels)}"
