"""Says without waiting whether the image of an environment is there, and asks for it if it is not."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from serving.environments import images
from serving.models import Environment, Image
from worker.deployers import engine
from worker.deployers.base import DeployerError
from worker.environments import tries
from worker.images import host
from worker.remembered import Remembered

TASK = "worker.build_image"
USED_EVERY = timedelta(minutes=10)
MISSING = "ImageMissing"
there: Remembered[bool] = Remembered(seconds=30)
"""The images that the engine was found to have, until a start shows that one is missing."""


@dataclass(frozen=True)
class Wanted:
    """`sentence` is what is being done, empty once the image is there; `failure` only where waiting is no use."""

    reference: str
    sentence: str = ""
    failure: Mapping[str, str] | None = None


def of(environment: Environment) -> Wanted:
    base, reference = host.reference(environment.key, environment.python)
    row, _ = Image.objects.get_or_create(
        environment=environment, base=base, defaults={"reference": reference}
    )
    if row.reference != reference:  # another registry
        _wait_again(row, reference=reference)
    if row.state == Image.State.READY and _is_there(row):
        _note_use(row)
        return Wanted(reference)
    if row.state == Image.State.FAILED:
        return Wanted(reference, *tries.after_failure(row, TASK))
    if row.state in {Image.State.READY, Image.State.GONE}:
        _wait_again(row)
    tries.ask(row, TASK)
    return Wanted(reference, images.progress(row.log, environment.package_count))


def older(environment: Environment) -> str | None:
    """The newest image on another base that the engine still has: what replicas ran before the platform was renewed."""
    base, _ = host.reference(environment.key, environment.python)
    built = Image.objects.filter(environment=environment, state=Image.State.READY).exclude(base=base)
    for row in built.order_by("-built_at"):
        if _is_there(row):
            _note_use(row)
            return row.reference
    return None


def doubt(error: DeployerError) -> None:
    """Look again at what is there, once a replica could not be started for want of its image."""
    if error.code == MISSING:
        there.forget()


def _wait_again(row: Image, **changes: Any) -> None:
    changes |= {"state": Image.State.WAITING, "failure": None, "log": ""}
    Image.objects.filter(pk=row.pk, state=row.state).update(**changes)
    row.refresh_from_db()


def _is_there(row: Image) -> bool:
    """Whether the engine still has what was built; what cannot be asked now is taken for granted."""
    url = host.engine_url()
    key = (url, row.reference, row.image_id)
    if there.get(key):
        return True
    try:
        with engine.errors(url):
            asked: Any = engine.lister(url)
            found = str(asked.inspect_image(row.reference)["Id"])
    except DeployerError as error:
        return error.code != MISSING
    return found == row.image_id and there.put(key, True)


def _note_use(row: Image) -> None:
    if timezone.now() - row.used_at > USED_EVERY:
        Image.objects.filter(pk=row.pk).update(used_at=timezone.now())
