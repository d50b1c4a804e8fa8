"""Tags: named JSON values on a version, which may change after it is exported."""

import json
import re
from typing import Any

from django.db import transaction

from accounts.access import Access
from accounts.services import record
from models_registry.errors import NoSuchThing, RegistryError
from models_registry.models import ModelVersion

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
MOST = 50
LONGEST = 4 * 1024


def checked(tags: dict[str, Any]) -> dict[str, Any]:
    """The tags as they are, or RegistryError with what is wrong with them."""
    if len(tags) > MOST:
        raise RegistryError(f"A version has at most {MOST} tags; remove some.")
    for name, value in tags.items():
        if not NAME.fullmatch(name):
            raise RegistryError(
                f"{name[:40]!r} cannot name a tag: begin with a letter or digit, go on with letters, digits, "
                "“_”, “-” or “.”, at most 100 in all."
            )
        _check_value(name, value)
    return tags


def read(text: str) -> Any:
    """What a person typed: JSON if it is JSON that can be kept, else the text itself."""
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return text
    return value


def shown(tags: dict[str, Any]) -> dict[str, str]:
    """Texts as they are, other values as JSON."""
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in sorted(tags.items())
    }


@transaction.atomic
def put(*, access: Access, version: ModelVersion, name: str, value: Any) -> ModelVersion:
    """Add a tag, or give it another value."""
    version = _locked(version)
    version.tags = checked({**version.tags, name: value})
    version.save(update_fields=["tags"])
    record(
        project=access.project, actor=access.user.username, action="set_tag", target=str(version), tag=name
    )
    return version


@transaction.atomic
def remove(*, access: Access, version: ModelVersion, name: str) -> None:
    version = _locked(version)
    if name not in version.tags:
        raise NoSuchThing(f"{version} has no tag {name}.")
    version.tags = {each: value for each, value in version.tags.items() if each != name}
    version.save(update_fields=["tags"])
    record(
        project=access.project, actor=access.user.username, action="remove_tag", target=str(version), tag=name
    )


def _check_value(name: str, value: Any) -> None:
    try:
        size = len(json.dumps(value, ensure_ascii=False, allow_nan=False).encode())
    except (ValueError, RecursionError):
        raise RegistryError(
            f"The tag {name} must be plain JSON: texts, finite numbers, lists, objects."
        ) from None
    if size > LONGEST:
        raise RegistryError(f"The tag {name} takes {size} bytes; at most {LONGEST} are kept.")
    if r"\u0000" in json.dumps(value).replace(r"\\", ""):
        raise RegistryError(f"The tag {name} may not hold the character NUL.")


def _locked(version: ModelVersion) -> ModelVersion:
    found = (
        ModelVersion.objects.select_for_update(of=("self",))
        .select_related("model")
        .filter(pk=version.pk)
        .first()
    )
    if found is None:
        raise NoSuchThing(f"{version} has just been deleted.")
    return found
