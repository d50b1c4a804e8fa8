"""Changes to projects, members and keys, each with its line in the audit trail."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from accounts import keys, work
from accounts.access import Access
from accounts.limits import MOST_PER_SECOND
from accounts.models import ApiKey, AuditEntry, FilePolicy, Member, Project, Role, Scope, User

LARGEST_QUOTA_MB = 2**40


class AccountsError(Exception):
    """A change that is refused, in a sentence for the user."""

    code = "refused"
    status = 400


class NameTaken(AccountsError):
    code = "name_taken"
    status = 409


class NoSuchOne(AccountsError):
    code = "not_found"
    status = 404


def record(*, project: Project | None, actor: str, action: str, target: str, **detail: Any) -> None:
    """Add a line to the audit trail."""
    AuditEntry.objects.create(project=project, actor=actor, action=action, target=target, detail=detail)


@transaction.atomic
def create_project(*, name: str, owner: User, description: str = "") -> Project:
    if Project.objects.filter(name__iexact=name).exists():
        raise NameTaken(f"There is a project {name} already; choose another name.")
    project = Project(name=name, description=description)
    try:
        project.full_clean()
    except ValidationError as error:
        raise AccountsError(" ".join(error.messages)) from None
    project.save()
    Member.objects.create(project=project, user=owner, role=Role.OWNER)
    record(project=project, actor=owner.username, action="create_project", target=name)
    return project


@transaction.atomic
def change_settings(*, access: Access, file_policy: FilePolicy, quota_mb: int | None) -> Project:
    """Set the policy on files that scanning warns of, and how much the project may keep; None: as installed."""
    project = Project.objects.select_for_update().get(pk=access.project.pk)
    installed = settings.PROJECT_QUOTA_MB
    if installed and quota_mb is not None and not 0 < quota_mb <= installed:
        raise AccountsError(f"This installation grants a project at most {installed} MB; choose up to that.")
    wanted = {"file_policy": file_policy, "quota_mb": quota_mb}
    changed = {
        name: f"{getattr(project, name)} → {value}"
        for name, value in wanted.items()
        if getattr(project, name) != value
    }
    if changed:
        Project.objects.filter(pk=project.pk).update(**wanted)
        actor = access.user.username
        record(project=project, actor=actor, action="change_settings", target=project.name, **changed)
    project.refresh_from_db()
    return project


@transaction.atomic
def set_member(*, access: Access, username: str, role: Role) -> Member:
    """Add a person to the project, or give them another role."""
    user = User.objects.filter(username__iexact=username, is_active=True).first()
    if user is None:
        raise AccountsError(
            f"There is no user {username}; an administrator can add one with `manage.py createuser`."
        )
    member = Member.objects.select_for_update().filter(project=access.project, user=user).first()
    if member is None:
        member = Member(project=access.project, user=user)
    elif member.role == Role.OWNER and role != Role.OWNER:
        _keep_an_owner(access.project, leaving=user)
    member.role = role
    member.save()
    record(
        project=access.project, actor=access.user.username, action="set_member", target=username, role=role
    )
    work.publish_keys_on_commit(access.project.pk)
    return member


@transaction.atomic
def remove_member(*, access: Access, username: str) -> None:
    """Take a person out of the project; their keys to it end at once."""
    member = (
        Member.objects.filter(project=access.project, user__username=username).select_related("user").first()
    )
    if member is None:
        raise NoSuchOne(f"{username} is not a member of {access.project}.")
    if member.role == Role.OWNER:
        _keep_an_owner(access.project, leaving=member.user)
    _revoke(ApiKey.objects.filter(project=access.project, user=member.user))
    member.delete()
    record(project=access.project, actor=access.user.username, action="remove_member", target=username)
    work.publish_keys_on_commit(access.project.pk)


@transaction.atomic
def create_key(
    *,
    access: Access,
    name: str,
    scopes: Iterable[str],
    expires_at: datetime | None = None,
    requests_per_second: int | None = None,
) -> tuple[ApiKey, str]:
    """Make a key and return it with its text, which nobody can read again.

    `requests_per_second` bounds the predictions asked for with it; None: as the installation has it.
    """
    wanted = sorted({Scope(scope) for scope in scopes})
    if not wanted:
        raise AccountsError("A key needs at least one scope.")
    if beyond := [scope for scope in wanted if scope not in access.scopes]:
        raise AccountsError(
            f"You may not give a key the scope {', '.join(beyond)}, which you do not have yourself."
        )
    if expires_at is not None and expires_at <= timezone.now():
        raise AccountsError("The key would have expired already; choose a later date.")
    _check_rate(requests_per_second)
    new = keys.generate()
    key = ApiKey.objects.create(
        id=new.id,
        project=access.project,
        user=access.user,
        name=name,
        digest=keys.digest(new.text),
        scopes=[scope.value for scope in wanted],
        expires_at=expires_at,
        requests_per_second=requests_per_second,
    )
    record(
        project=access.project,
        actor=access.user.username,
        action="create_key",
        target=str(key),
        scopes=key.scopes,
    )
    work.publish_keys_on_commit(access.project.pk)
    return key, new.text


@transaction.atomic
def revoke_key(*, access: Access, key_id: str) -> ApiKey:
    """End a key: one's own, or anybody's for an owner."""
    visible = ApiKey.objects.filter(project=access.project)
    if not access.can_admin:
        visible = visible.filter(user=access.user)
    key = visible.filter(id=key_id).first()
    if key is None:
        raise NoSuchOne(f"There is no key {key_id} that you may revoke.")
    _revoke(visible.filter(id=key_id))
    record(project=access.project, actor=access.user.username, action="revoke_key", target=str(key))
    work.publish_keys_on_commit(access.project.pk)
    key.refresh_from_db()
    return key


def _check_rate(asked: int | None) -> None:
    installed = settings.KEY_RATE_LIMIT
    if asked is None:
        return
    if not 1 <= asked <= MOST_PER_SECOND:
        raise AccountsError(f"A key's limit is a number of requests per second from 1 to {MOST_PER_SECOND}.")
    if installed and asked > installed:
        raise AccountsError(f"This installation grants a key at most {installed} requests per second.")


def _revoke(chosen: Any) -> None:
    chosen.filter(revoked_at=None).update(revoked_at=timezone.now())


def _keep_an_owner(project: Project, *, leaving: User) -> None:
    owners = Member.objects.filter(project=project, role=Role.OWNER).exclude(user=leaving)
    if not owners.exists():
        raise AccountsError(f"{leaving} is the only owner of {project}; make somebody else an owner first.")
