"""Asks for environments: what a revision needs, once more after a failure, rebuilt, verified; the worker does it."""

import hashlib
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.access import Access
from accounts.services import record
from accounts.work import ask_on_commit
from serving.environments import images, locks, platform_packages, queries, requirements
from serving.environments.platform_packages import PlatformPackages
from serving.environments.requirements import BadRequirements, Line
from serving.errors import ServingError
from serving.models import Environment, Image, Resolution, Revision

NOT_BUSY = [
    Environment.State.WAITING,
    Environment.State.READY,
    Environment.State.FAILED,
    Environment.State.GONE,
]


def adopt(python: str, text: str) -> tuple[Resolution | None, Environment | None]:
    """What a revision that asks for these requirements is made of; nothing is resolved or built here.

    Without requirements it is the platform's own packages, as they are now. Raises ServingError.
    """
    own = platform_packages.now()
    python = _known_python(python or own.python, own)
    if not check(text):
        return None, _platforms(python, own)
    text = requirements.normal(text)
    digest = hashlib.sha256(f"{python}\n{text}".encode()).hexdigest()
    resolution, _ = Resolution.objects.select_related("environment").get_or_create(
        digest=digest, defaults={"python": python, "requirements": text}
    )
    return resolution, resolution.environment


def check(text: str) -> list[Line]:
    """The requirements as they are understood; raises ServingError with a sentence for each line that is not."""
    try:
        return requirements.parse(text, allows_urls=settings.ALLOW_URL_REQUIREMENTS)
    except BadRequirements as error:
        raise ServingError(str(error), field="requirements") from None


def of_lock(python: str, lock: str) -> Environment:
    """The environment of a lock, to be built when it is needed."""
    count = len(locks.packages(lock, python))
    environment, _ = Environment.objects.get_or_create(
        key=locks.key(python, lock), defaults={"python": python, "lock": lock, "package_count": count}
    )
    return environment


def forget_failure(revision: Revision) -> bool:
    """Whether there was one; what failed waits for the worker again, as it should when Run is pressed."""
    again: dict[str, Any] = {"failure": None, "state": Environment.State.WAITING}
    named = {
        "worker.resolve": Resolution.objects.filter(revisions=revision),
        "worker.build_environment": Environment.objects.filter(revisions=revision),
        "worker.build_image": Image.objects.filter(environment__revisions=revision),
    }
    if images.are_needed(revision):
        del named["worker.build_environment"]
    is_asked = False
    for task, rows in named.items():
        for pk in list(rows.filter(state="failed").values_list("pk", flat=True)):
            rows.model._default_manager.filter(pk=pk).update(**again)
            ask_on_commit(task, pk)
            is_asked = True
    return is_asked


@transaction.atomic
def rebuild(*, access: Access, environment: Environment) -> Environment:
    """Have it built anew from its lock, its images too; replicas keep what they run in until they are replaced."""
    waiting: dict[str, Any] = {"state": Environment.State.WAITING, "failure": None}
    asked_images = _rebuild_images(environment, waiting)
    needs_folder = not asked_images or (environment.path != "" and not _is_platforms(environment))
    if needs_folder:
        _check_has_lock(environment)
        if not Environment.objects.filter(pk=environment.pk, state__in=NOT_BUSY).update(**waiting):
            raise ServingError(f"Environment {environment.key[:12]} is being built; wait for the end.")
    record(
        project=access.project,
        actor=access.user.username,
        action="rebuild_environment",
        target=environment.key[:12],
    )
    for pk in asked_images:
        ask_on_commit("worker.rebuild_image", pk)
    if needs_folder:
        ask_on_commit("worker.rebuild_environment", environment.pk)
    environment.refresh_from_db()
    return environment


@transaction.atomic
def verify(*, access: Access, environment: Environment) -> Environment:
    """Have every file compared with what was built."""
    if environment.state != Environment.State.READY:
        state = environment.get_state_display().lower()
        raise ServingError(f"Only a built environment can be verified; this one is {state}.")
    ask_on_commit("worker.verify_environment", environment.pk)
    return environment


def _rebuild_images(environment: Environment, waiting: dict[str, Any]) -> list[int]:
    """The newest image, which replicas would start from; those on older bases are of no use any more."""
    newest = images.newest(environment)
    if newest is None:
        return []
    if not Image.objects.filter(pk=newest.pk, state__in=NOT_BUSY).update(**waiting):
        raise ServingError(f"The image {newest} is being built; wait for the end.")
    return [newest.pk]


def _known_python(python: str, own: PlatformPackages) -> str:
    known = {own.python, *queries.pythons()}
    if python not in known:
        names = ", ".join(sorted(known, key=lambda version: tuple(map(int, version.split(".")))))
        raise ServingError(f"This installation has Python {names}, not {python[:20]}.", field="python")
    return python


def _platforms(python: str, own: PlatformPackages) -> Environment:
    if python != own.python and own.lock:
        return of_lock(python, own.lock)
    if python != own.python:
        raise ServingError(
            f"The platform's own packages are there for Python {own.python} only; name requirements for {python}.",
            field="python",
        )
    environment, _ = Environment.objects.get_or_create(
        key=own.key,
        defaults={
            "python": own.python,
            "lock": own.lock,
            "path": str(own.folder),
            "state": Environment.State.READY,
            "package_count": len(locks.packages(own.lock, own.python)) if own.lock else None,
        },
    )
    return environment


def _check_has_lock(environment: Environment) -> None:
    if not environment.lock:
        raise ServingError(
            "This is an interpreter of the administrator's own; the platform cannot rebuild it."
        )
    if _is_platforms(environment):
        raise ServingError(
            "These are the platform's own packages; the administrator rebuilds them with make setup."
        )


def _is_platforms(environment: Environment) -> bool:
    return platform_packages.now().key == environment.key
