"""Reads over projects, members and keys."""

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.access import Access
from accounts.models import ApiKey, AuditEntry, Member, Project, Role, Scope, User


def projects_of(user: User) -> QuerySet[Project]:
    return Project.objects.filter(members__user=user).order_by("name")


def memberships_of(user: User) -> QuerySet[Member]:
    """The person's roles, by project."""
    return Member.objects.filter(user=user).select_related("project").order_by("project__name")


def members(project: Project) -> QuerySet[Member]:
    return Member.objects.filter(project=project).select_related("user").order_by("user__username")


def visible_keys(access: Access) -> QuerySet[ApiKey]:
    """Everybody's keys for an owner, one's own for others; newest first."""
    keys = ApiKey.objects.filter(project=access.project).select_related("user")
    return keys if access.can_admin else keys.filter(user=access.user)


def predicting_keys(project_id: int) -> list[ApiKey]:
    """The keys with which the project's servings may be called now."""
    usable = ApiKey.objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=timezone.now()),
        project=project_id,
        revoked_at=None,
        user__is_active=True,
        user__memberships__project=project_id,
        user__memberships__role__in=[role for role in Role if Scope.PREDICT in role.scopes],
    )
    return [key for key in usable.order_by("id") if Scope.PREDICT in key.scopes]


def living_keys() -> list[tuple[ApiKey, bool]]:
    """Every key of the installation that is good for something, and whether it may predict."""
    usable = ApiKey.objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=timezone.now()), revoked_at=None, user__is_active=True
    )
    rows = usable.select_related("project").order_by("id")
    roles = {(each.project_id, each.user_id): Role(each.role) for each in Member.objects.all()}
    return [
        (key, Scope.PREDICT in key.scopes and Scope.PREDICT in role.scopes)
        for key in rows
        if (role := roles.get((key.project_id, key.user_id))) is not None
    ]


def audit_trail(project: Project) -> QuerySet[AuditEntry]:
    return AuditEntry.objects.filter(project=project)
