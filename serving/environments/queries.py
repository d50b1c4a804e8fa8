"""Reads over environments; a project sees those that its servings name and no others."""

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.db.models import F, Prefetch, Q, QuerySet
from django.db.models.functions import Length

from accounts.models import Project
from serving.environments import images, locks, skew
from serving.environments.locks import Package
from serving.environments.skew import Skew
from serving.errors import NoSuchServing
from serving.models import Environment, Image, Interpreter, Resolution, Revision, Serving

LONGEST_LOG_SHOWN = 400  # lines


@dataclass(frozen=True)
class Use:
    """A serving and its revisions that name an environment, newest first; `is_current` if it wants one of them now."""

    serving: Serving
    revisions: tuple[int, ...]
    is_current: bool


def environments(project: Project) -> QuerySet[Environment]:
    """Those of the project's revisions with their images, last used first; a log is fetched where it is looked at."""
    named = Revision.objects.filter(serving__project=project, serving__is_deleted=False)
    resolved = Resolution.objects.filter(pk__in=named.values("resolution"))
    found = Environment.objects.filter(
        Q(pk__in=named.values("environment")) | Q(pk__in=resolved.values("environment"))
    )
    newest_first = Image.objects.order_by("-created_at", "-pk").defer("log")
    return found.defer("log").prefetch_related(Prefetch("images", newest_first))


def environment(project: Project, key: str) -> Environment:
    """By its key or the beginning of it, 12 digits or more."""
    found = environments(project).filter(key__startswith=key).first() if len(key) >= 12 else None
    if found is None:
        raise NoSuchServing(f"No serving of {project} uses an environment {key[:64]}.")
    return found


def uses(project: Project, environments: Collection[Environment]) -> dict[int, list[Use]]:
    """Who in the project uses each of them, by the environments' ids."""
    revisions: dict[int, list[Revision]] = {each.pk: [] for each in environments}
    own = Revision.objects.filter(serving__project=project, serving__is_deleted=False)
    named = own.filter(Q(environment__in=revisions) | Q(resolution__environment__in=revisions))
    found = named.select_related("serving").annotate(resolved=F("resolution__environment"))
    for revision in found.order_by("-number"):
        for pk in revisions.keys() & {revision.environment_id, revision.resolved}:
            revisions[pk].append(revision)
    return {pk: _by_serving(named) for pk, named in revisions.items()}


def packages(environment: Environment) -> list[Package]:
    return locks.packages(environment.lock, environment.python)


def interpreters() -> list[Interpreter]:
    """The Pythons of the host, as the worker last reported them, oldest first."""
    return sorted(Interpreter.objects.all(), key=lambda each: tuple(map(int, each.version.split("."))))


def pythons() -> list[str]:
    return [each.version for each in interpreters()]


def skews(revision: Revision) -> list[Skew]:
    """Where the revision's packages differ from those of its model's training in a way known to break."""
    environment = revision.environment
    version = revision.model_version
    if environment is None or not environment.lock:
        return []
    found = {each.name: each.version for each in packages(environment) if each.version}
    python = str(version.provenance.get("python") or "")
    trained = {str(name): str(number) for name, number in version.packages.items()}
    return skew.compare(trained, found, trained_python=python, python=environment.python)


def log_lines(row: Environment | Image | Resolution) -> list[str]:
    """The end of what the tool said."""
    return row.log.splitlines()[-LONGEST_LOG_SHOWN:]


def tag(environment: Environment) -> str:
    """Changes whenever the environment's page would."""
    return _digest(_facts(environment), environment.used_at, _of_images([environment]))


def list_tag(project: Project) -> str:
    rows = (
        environments(project).order_by("pk").values_list("pk", "state", "verified_at", "built_at", "used_at")
    )
    revisions = (
        Revision.objects.filter(serving__project=project).order_by("pk").values_list("pk", "environment")
    )
    return _digest(list(rows), list(revisions), _of_images(environments(project)))


def build_tag(revision: Revision) -> str:
    """Changes whenever the way of the revision's packages would be shown differently."""
    resolution, environment = revision.resolution, revision.environment
    image = images.newest(environment) if environment and images.are_needed(revision) else None
    return _digest(
        [resolution.state, len(resolution.log)] if resolution else None,
        _facts(environment) if environment else None,
        _facts(image) if image else None,
    )


def _by_serving(revisions: list[Revision]) -> list[Use]:
    """By the servings' names."""
    grouped: dict[Serving, list[Revision]] = {}
    for revision in revisions:
        grouped.setdefault(revision.serving, []).append(revision)
    return [
        Use(
            serving,
            tuple(each.number for each in found),
            any(each.pk == serving.revision_id for each in found),
        )
        for serving, found in sorted(grouped.items(), key=lambda pair: pair[0].name.lower())
    ]


def _facts(row: Environment | Image) -> tuple[object, ...]:
    verified_at = row.verified_at if isinstance(row, Environment) else None
    return (row.pk, row.state, len(row.log), row.log[-80:], row.failure, verified_at, row.built_at)


def _of_images(named: Iterable[Environment]) -> list[tuple[object, ...]]:
    rows = Image.objects.filter(environment__in=named).annotate(length=Length("log"))
    return list(rows.order_by("pk").values_list("pk", "state", "length", "built_at", "failure", "used_at"))


def _digest(*facts: object) -> str:
    return hashlib.blake2b(repr(facts).encode(), digest_size=8).hexdigest()
