"""Load a project and check the right to it in one step; nothing else decides who may do what."""

from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from rest_framework.request import Request

from accounts.models import ApiKey, Member, Project, Role, Scope, User


@dataclass(frozen=True)
class Access:
    """A person at work in a project, with what they may do there."""

    project: Project
    user: User
    role: Role
    scopes: frozenset[Scope]

    @property
    def can_write(self) -> bool:
        return Scope.WRITE in self.scopes

    @property
    def can_predict(self) -> bool:
        return Scope.PREDICT in self.scopes

    @property
    def can_admin(self) -> bool:
        return Scope.ADMIN in self.scopes


def project(request: HttpRequest | Request, name: str, *, needs: Scope = Scope.READ) -> Access:
    """The caller's access to project `name`.

    Raises Http404 where the caller may not know that the project exists, PermissionDenied where
    the role or the key does not reach far enough.
    """
    key = getattr(request, "auth", None)
    member = (
        Member.objects.select_related("project", "user")
        .filter(project__name=name, user=request.user.pk)
        .first()
    )
    if member is None or (isinstance(key, ApiKey) and key.project_id != member.project_id):
        raise Http404(f"There is no project {name} that you are a member of.")
    access = of_member(member, key if isinstance(key, ApiKey) else None)
    if needs not in access.scopes:
        raise PermissionDenied(_refusal(access, needs, by_key=isinstance(key, ApiKey)))
    return access


def of_member(member: Member, key: ApiKey | None) -> Access:
    role = Role(member.role)
    scopes = role.scopes if key is None else role.scopes & {Scope(scope) for scope in key.scopes}
    return Access(project=member.project, user=member.user, role=role, scopes=scopes)


def _refusal(access: Access, needs: Scope, *, by_key: bool) -> str:
    if by_key and needs in access.role.scopes:
        return f"This API key lacks the scope “{needs}”; make one that has it."
    return (
        f"You are {access.role.label.lower()} of {access.project}, which does not include "
        f"“{needs.label.lower()}”; ask an owner."
    )
