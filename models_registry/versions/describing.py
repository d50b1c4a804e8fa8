"""What is said of a version besides its files: given at export, and partly changed later."""

import json
from typing import Any, TypedDict

from django.db import transaction
from django.utils import timezone

from accounts.access import Access
from accounts.services import record
from models_registry.errors import NoSuchThing, RegistryError
from models_registry.models import ModelVersion
from models_registry.versions import metrics, tags

FIELDS = ("description", "framework", "metrics", "tags", "packages", "provenance")
MOST_PACKAGES = 500
MOST_FACTS = 30
LONGEST_FACT = 500
LABELS = {
    "user": "Exported by",
    "program": "Program",
    "git_commit": "Git commit",
    "git_is_dirty": "Uncommitted changes",
    "python": "Python",
    "client": "Client",
    "platform": "Platform",
    "user_agent": "Sent by",
}
HIDDEN = {"exported_at"}  # the page shows when the version was exported already


class Said(TypedDict, total=False):
    """What an exporter says; `provenance` and `packages` are collected by the client and never change."""

    description: str
    framework: str
    metrics: dict[str, Any] | None
    tags: dict[str, Any] | None
    packages: dict[str, str] | None
    provenance: dict[str, Any] | None


class Changes(TypedDict, total=False):
    """What may be said anew of a version; what is left out stays."""

    description: str
    framework: str
    metrics: dict[str, Any]
    tags: dict[str, Any]


def checked(said: Said) -> dict[str, Any]:
    """The fields of a new version. Raises RegistryError for what is too much or of the wrong form."""
    return {
        "description": said.get("description") or "",
        "framework": said.get("framework") or "",
        "metrics": metrics.checked(said.get("metrics") or {}),
        "tags": tags.checked(said.get("tags") or {}),
        "packages": _packages(said.get("packages") or {}),
        "provenance": _provenance(said.get("provenance") or {}),
    }


def signed(provenance: dict[str, Any], *, user: str, agent: str) -> dict[str, Any]:
    """The client's words with what the platform saw itself, which wins."""
    seen = {"user": user, "user_agent": agent[:LONGEST_FACT], "exported_at": timezone.now().isoformat()}
    return {**provenance, **seen}


def facts(provenance: dict[str, Any]) -> list[tuple[str, str]]:
    """The provenance as labels and texts, the best known first."""
    known = [name for name in LABELS if name in provenance]
    others = sorted(provenance.keys() - LABELS.keys() - HIDDEN)
    return [(LABELS.get(name, name), _words(provenance[name])) for name in [*known, *others]]


@transaction.atomic
def change(*, access: Access, version: ModelVersion, changes: Changes) -> None:
    """Say something else of a version; its files stay as they are."""
    locked = ModelVersion.objects.select_for_update().filter(pk=version.pk).first()
    if locked is None:
        raise NoSuchThing(f"{version} has just been deleted.")
    if "metrics" in changes:
        metrics.checked(changes["metrics"])
    if "tags" in changes:
        tags.checked(changes["tags"])
    changed = [name for name, value in changes.items() if getattr(locked, name) != value]
    if not changed:
        return
    for name in changed:
        setattr(locked, name, changes[name])  # type: ignore[literal-required]
    locked.save(update_fields=changed)
    record(
        project=access.project,
        actor=access.user.username,
        action="describe_version",
        target=str(version),
        changed=changed,
    )


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not known" if value is None else str(value)


def _packages(packages: dict[str, str]) -> dict[str, str]:
    if len(packages) > MOST_PACKAGES:
        raise RegistryError(f"At most {MOST_PACKAGES} packages are recorded; leave some out.")
    for name, version in packages.items():
        if not isinstance(version, str) or max(len(name), len(version)) > 200:
            raise RegistryError(
                f"The package {name[:40]!r} must have a version, a text of at most 200 letters."
            )
    return packages


def _provenance(facts: dict[str, Any]) -> dict[str, Any]:
    if len(facts) > MOST_FACTS:
        raise RegistryError(f"The provenance has at most {MOST_FACTS} entries.")
    for name, value in facts.items():
        is_plain = value is None or isinstance(value, str | bool | int | float)
        if not is_plain or len(name) > 50 or len(json.dumps(value)) > LONGEST_FACT:
            raise RegistryError(
                f"The provenance {name[:50]!r} must be a text, number or boolean of at most {LONGEST_FACT} letters."
            )
    return facts
