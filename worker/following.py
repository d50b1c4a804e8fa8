"""Takes the servings that follow an alias along when it moves."""

import logging

from accounts.access import Access, of_member
from accounts.models import Member, Role
from models_registry.models import Alias
from serving import services
from serving.errors import ServingError
from serving.models import Serving, ServingEvent

log = logging.getLogger(__name__)


def follow(model_id: int, name: str) -> None:
    """Give each serving that follows the alias a revision of the version it names now, on behalf of who moved it."""
    alias = Alias.objects.filter(model=model_id, name=name).select_related("model__project", "set_by").first()
    access = _access(alias) if alias else None
    if alias is None or access is None:
        return
    followers = Serving.objects.filter(
        is_deleted=False, revision__alias=name, revision__model_version__model=model_id
    )
    for serving in followers.exclude(revision__model_version=alias.version_id):
        try:
            services.update(access=access, serving=serving, changes={})
        except ServingError as error:
            text = f"Could not follow {name} to version {alias.version.number}: {error}"
            ServingEvent.objects.create(serving=serving, actor=access.user.username, kind="edited", text=text)
            log.warning("%s: %s", serving.key, text)


def _access(alias: Alias) -> Access | None:
    """That of who moved the alias or, if they have left the project, of an owner."""
    members = Member.objects.filter(project=alias.model.project).select_related("project", "user")
    member = members.filter(user=alias.set_by).first() or members.filter(role=Role.OWNER).first()
    return of_member(member, None) if member else None
