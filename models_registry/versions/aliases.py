"""Aliases: names such as `champion` that stand for one version of a model and can be moved to another."""

from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from accounts.access import Access
from accounts.services import record
from accounts.work import ask_on_commit
from models_registry import queries
from models_registry.errors import InUse, NoSuchThing, RegistryError
from models_registry.models import Alias, ModelVersion, RegisteredModel, alias_name


@dataclass(frozen=True)
class Standing:
    """An alias of a model as seen from one version; `followers` are the servings that follow it."""

    name: str
    number: int | None
    is_here: bool
    followers: list[str]


@transaction.atomic
def put(*, access: Access, version: ModelVersion, name: str) -> tuple[Alias, bool]:
    """Let `name` stand for a version, taking it from another; return it and whether it is new.

    Servings that follow the alias get a new revision from the worker once this is in the database.
    """
    _check(name)
    model = _locked(version.model)
    ready = ModelVersion.objects.select_for_update().filter(pk=version.pk, state=ModelVersion.State.READY)
    if not ready.exists():
        raise NoSuchThing(f"{version} has just been deleted.")
    found = Alias.objects.filter(model=model, name=name).select_related("version").first()
    if found is not None and found.version_id == version.pk:
        return found, False
    was = found.version.number if found else None
    alias, is_new = Alias.objects.update_or_create(
        model=model,
        name=name,
        defaults={"version": version, "set_by": access.user, "set_at": timezone.now()},
    )
    record(
        project=access.project,
        actor=access.user.username,
        action="set_alias",
        target=f"{model} {name}",
        version=version.number,
        was=was,
    )
    ask_on_commit("worker.follow_alias", model.pk, name)
    return alias, is_new


@transaction.atomic
def remove(*, access: Access, model: RegisteredModel, name: str) -> None:
    """Take an alias away, unless a serving follows it."""
    alias = queries.alias(_locked(model), name)
    if names := queries.followers(model, name):
        raise InUse(
            f"The alias {name} of {model} is followed by {', '.join(names)}; edit or delete those servings first."
        )
    alias.delete()
    record(
        project=access.project, actor=access.user.username, action="remove_alias", target=f"{model} {name}"
    )


def standing(version: ModelVersion) -> list[Standing]:
    """Every alias of the version's model, those of the version itself first."""
    followers = queries.all_followers(version.model)
    found = [
        Standing(
            name=alias.name,
            number=alias.version.number,
            is_here=alias.version_id == version.pk,
            followers=followers.get(alias.name, []),
        )
        for alias in version.model.aliases.select_related("version")
    ]
    return sorted(found, key=lambda each: (not each.is_here, each.name))


def _check(name: str) -> None:
    try:
        alias_name(name)
    except ValidationError as error:
        raise RegistryError(" ".join(error.messages)) from None


def _locked(model: RegisteredModel) -> RegisteredModel:
    """The model, so that two moves of one alias come one after the other."""
    found = RegisteredModel.objects.select_for_update(of=("self",)).filter(pk=model.pk).first()
    if found is None:
        raise NoSuchThing(f"Model {model} has just been deleted.")
    return found
