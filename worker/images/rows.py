"""Builds what the rows of images say, and writes into them what came of it."""

import logging
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from serving.models import Image
from worker.environments import leases, news, problems
from worker.environments.live_log import LiveLog
from worker.environments.problems import EnvironmentProblem
from worker.images import build, engine, host
from worker.images.build import Built

log = logging.getLogger(__name__)

UNBUILT = [Image.State.WAITING, Image.State.BUILDING]


def build_row(pk: int, *, anew: bool = False) -> bool:
    """Build the image that waits for it; False if somebody else does or it failed."""
    before = Image.objects.filter(pk=pk).values_list("failure", flat=True).first()
    with leases.hold(Image, pk, of=UNBUILT, to=Image.State.BUILDING) as is_ours:
        if not is_ours:
            return False
        row = Image.objects.select_related("environment").get(pk=pk)
        tell = LiveLog(Image, pk)
        try:
            return _ready(row, _built(row, tell, anew=anew))
        except EnvironmentProblem as problem:
            return _failed(row, problem)
        except Exception as error:
            _failed(row, problems.of_surprise(error, before))
            raise
        finally:
            tell.flush()


def _built(row: Image, tell: LiveLog, *, anew: bool) -> Built:
    environment = row.environment
    order = host.order(environment.key, environment.python, environment.lock)
    with engine.connected(host.engine_url(), order.seconds) as client:
        return build.build(client, order, tell, anew=anew)


@transaction.atomic
def _ready(row: Image, built: Built) -> bool:
    now = timezone.now()
    changes: dict[str, Any] = {
        "state": Image.State.READY,
        "reference": built.reference,
        "image_id": built.id,
        "size_bytes": built.size_bytes,
        "build_seconds": built.seconds,
        "built_at": now,
        "used_at": now,
    }
    Image.objects.filter(pk=row.pk).update(**changes)
    named = Q(environment=row.environment) | Q(environment=None, resolution__environment=row.environment)
    news.tell(named)
    log.info("Image %s is built in %.1f s", built.reference, built.seconds)
    return True


def _failed(row: Image, problem: EnvironmentProblem) -> bool:
    Image.objects.filter(pk=row.pk).update(state=Image.State.FAILED, failure=problem.as_json())
    log.info("Image %s failed: %s", row.reference, problem.reason)
    return False
