"""Takes the servings that follow an alias along when it moves."""

import logging

from django.db.models import F

from accounts.access import Access, of_member
from accounts.models import Member, Role
from models_registry.models import Alias
from serving import services
from serving.errors import ServingError
from serving.models import Serving, ServingEvent

log = logging.getLogger(__name__)


def follow(model_id: int, name: str) -> None:
    """Give each serving that follows the alias a revision of the version it names now, on behalf of who moved it."""
    aliases = Alias.objects.select_related("model__project", "version", "set_by")
    alias = aliases.filter(model=model_id, name=name).first()
    access = _access(alias) if alias else None
    if alias is None or access is None:
        return
    followers = Serving.objects.filter(
        is_deleted=False, revision__alias=name, revision__model_version__model=model_id
    )
    for serving in followers.exclude(revision__model_version=alias.version_id):
        try:
            services.update(access=access, serving=serving, changes={"alias": name})
        except ServingError as error:
            _tell(serving, access, f"Could not follow {name} to version {alias.version.number}: {error}")


def follow_all() -> None:
    """Let nobody stay behind whose task was lost."""
    followers = Serving.objects.filter(is_deleted=False, revision__isnull=False).exclude(revision__alias="")
    behind = followers.exclude(revision__model_version__aliases__name=F("revision__alias"))
    for model_id, name in set(behind.values_list("revision__model_version__model", "revision__alias")):
        follow(model_id, name)


def _tell(serving: Serving, access: Access, text: str) -> None:
    """Once, however often it is tried."""
    if not serving.events.filter(kind="edited", text=text).exists():
        ServingEvent.objects.create(serving=serving, actor=access.user.username, kind="edited", text=text)
        log.warning("%s: %s", serving.key, text)


def _access(alias: Alias) -> Access | None:
    """That of who moved the alias or, if they have left the project, of an owner."""
    members = Member.objects.filter(project=alias.model.project).select_related("project", "user")
    member = members.filter(user=alias.set_by).first() or members.filter(role=Role.OWNER).first()
    return of_member(member, None) if member else None
