"""Says without waiting whether a revision's packages are there, and asks for what is not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.utils import timezone

from serving.environments import images, platform_packages, service
from serving.models import Environment, Resolution, Revision
from worker.environments import build, host, tries
from worker.environments.problems import EnvironmentProblem
from worker.images import names, wanted

USED_EVERY = timedelta(minutes=10)
GONE = {
    "code": "EnvironmentGone",
    "reason": "This revision ran in an interpreter of the administrator's own that is not there any more; save the "
    "serving once more to run it in the present one.",
    "evidence": "",
}
NOT_LOCKED = {
    "code": "EnvironmentNotLocked",
    "reason": "This revision asks for no packages, and those of the administrator's interpreter have no lock, so that "
    "no image can be built of them; write requirements, or let its replicas run without containers.",
    "evidence": "",
}


@dataclass(frozen=True)
class Preparation:
    """`sentence` is what is being done, empty once ready. A ready one says which Python or, in a container, which image
    runs the replica, and which variables it needs. `failure` {code, reason, evidence} only where trying again by itself
    cannot help.
    """

    is_ready: bool
    sentence: str = ""
    failure: Mapping[str, str] | None = None
    python: Path | None = None
    image: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


def ready(revision: Revision) -> Preparation:
    try:
        environment = _environment(revision)
        if environment is None:
            return _resolution(revision)
        return _in_image(environment, revision) if images.are_needed(revision) else _of(environment)
    except EnvironmentProblem as problem:
        return Preparation(False, problem.reason)


def _environment(revision: Revision) -> Environment | None:
    """As its row is now; a resolution that is done hands it over. The revision need not be saved."""
    if revision.environment_id is None:
        revision.environment = _found_meanwhile(revision)
        if revision.pk is not None and revision.environment is not None:
            revision.save(update_fields=["environment"])
    if revision.environment_id is None:
        return None
    return Environment.objects.get(pk=revision.environment_id)


def _found_meanwhile(revision: Revision) -> Environment | None:
    if revision.resolution_id is None:
        return service.adopt(revision.python, "")[1]
    return Environment.objects.filter(resolutions=revision.resolution_id).first()


def _resolution(revision: Revision) -> Preparation:
    assert revision.resolution_id is not None
    row = Resolution.objects.get(pk=revision.resolution_id)
    if row.state == Resolution.State.FAILED:
        return Preparation(False, *tries.after_failure(row, "worker.resolve"))
    tries.ask(row, "worker.resolve")
    return Preparation(False, "Resolving the requirements")


def _of(row: Environment) -> Preparation:
    if row.state == Environment.State.READY and (usable := _usable(row)) is not None:
        return usable
    if not row.lock:
        return Preparation(False, GONE["reason"], GONE)
    if row.state == Environment.State.FAILED:
        return Preparation(False, *tries.after_failure(row, "worker.build_environment"))
    if row.state in {Environment.State.READY, Environment.State.GONE}:
        waiting: dict[str, Any] = {"state": Environment.State.WAITING, "failure": None, "path": ""}
        Environment.objects.filter(pk=row.pk, state=row.state).update(**waiting)
        row.refresh_from_db()
    tries.ask(row, "worker.build_environment")
    return Preparation(False, _progress(row))


def _usable(row: Environment) -> Preparation | None:
    """The way into a built environment; None if it is no longer there or no longer what its lock says."""
    folder = Path(row.path)
    own = platform_packages.now()
    is_own = folder == own.folder
    if not (folder / "bin" / "python").exists() or (is_own and own.key != row.key):
        return None
    _note_use(row)
    if is_own:
        return Preparation(True, python=host.replica_python())
    variables = {"PYTHONPATH": str(host.server().folder(host.root()))}
    return Preparation(True, python=folder / "bin" / "python", variables=variables)


def _in_image(row: Environment, revision: Revision) -> Preparation:
    """A container needs the lock's image, and no folder here. The image has its name before it is built. The replicas
    of a good revision are healed in the image they ran in until then.
    """
    if not row.lock:
        return Preparation(False, NOT_LOCKED["reason"], NOT_LOCKED)
    _note_use(row)
    image = wanted.of(row)
    variables = {"PYTHONPATH": names.PYTHONPATH}
    is_ready = not image.sentence
    if not is_ready and _is_good(revision) and (older := wanted.older(row)) is not None:
        return Preparation(True, image=older, variables=variables)
    return Preparation(is_ready, image.sentence, image.failure, image=image.reference, variables=variables)


def _is_good(revision: Revision) -> bool:
    return revision.serving_id is not None and revision.serving.good_revision == revision.number


def _note_use(row: Environment) -> None:
    if timezone.now() - row.used_at > USED_EVERY:
        Environment.objects.filter(pk=row.pk).update(used_at=timezone.now())


def _progress(row: Environment) -> str:
    done = build.progress(host.root(), row.key)
    if done and row.package_count:
        return f"Building the environment: {done} of {row.package_count} packages"
    fetched = row.log.count("Downloaded ")
    if fetched:
        return f"Building the environment: {fetched} packages downloaded"
    return "Building the environment"
