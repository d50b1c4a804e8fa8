"""Says without waiting whether the image of an environment is there, and asks for it if it is not."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from serving.environments import images
from serving.models import Environment, Image
from worker.environments import tries
from worker.environments.problems import EnvironmentProblem
from worker.images import engine, host

TASK = "worker.build_image"
USED_EVERY = timedelta(minutes=10)
SECONDS_TO_ANSWER = 5


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


def _wait_again(row: Image, **changes: Any) -> None:
    changes |= {"state": Image.State.WAITING, "failure": None, "log": ""}
    Image.objects.filter(pk=row.pk, state=row.state).update(**changes)
    row.refresh_from_db()


def _is_there(row: Image) -> bool:
    """Whether the engine still has what was built; what cannot be asked now is taken for granted."""
    try:
        with engine.connected(host.engine_url(), SECONDS_TO_ANSWER) as client:
            found = engine.find(client, row.reference)
    except EnvironmentProblem:
        return True
    return found is not None and found.id == row.image_id


def _note_use(row: Image) -> None:
    if timezone.now() - row.used_at > USED_EVERY:
        Image.objects.filter(pk=row.pk).update(used_at=timezone.now())
