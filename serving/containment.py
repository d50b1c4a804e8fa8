"""Lets a serving leave its containers: where these are the default an owner decides it, and it is audited."""

from django.conf import settings as platform
from django.core.exceptions import PermissionDenied

from accounts.access import Access
from accounts.models import Role
from accounts.services import record
from serving import enforcement
from serving.models import Deployer, Revision


def check(access: Access, revision: Revision, current: Revision | None) -> None:
    """Raises PermissionDenied, for everybody but owners, if the revision would leave the containers `current` is in."""
    if _leaves(revision, current) and not access.can_admin:
        place = enforcement.place(revision).lower()
        raise PermissionDenied(
            f"This API key lacks the scope “admin”, which replicas as {place} need."
            if access.role == Role.OWNER
            else f"Only an owner may have replicas run as {place}, outside of containers; ask one, or leave the place "
            "to the installation."
        )


def tell(access: Access, revision: Revision, current: Revision | None) -> None:
    """Record it in the audit trail if the revision, which was allowed to, leaves the containers."""
    if _leaves(revision, current):
        record(
            project=access.project,
            actor=access.user.username,
            action="leave_containers",
            target=revision.serving.name,
            before=enforcement.deployer_of(current) if current else "",
            after=enforcement.deployer_of(revision),
        )


def _leaves(revision: Revision, current: Revision | None) -> bool:
    """Processes have the platform's own rights. Who was let out before stays there without being asked again."""
    if platform.DEPLOYER == Deployer.LOCAL or enforcement.is_contained(revision):
        return False
    return current is None or enforcement.is_contained(current)
