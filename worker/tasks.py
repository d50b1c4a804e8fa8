"""Celery's tasks: ids in, one call, harmless when late or doubled."""

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from celery import Task, shared_task
from django.db.models import Q

from models_registry import services as registry
from models_registry.incoming import services as incoming
from serving.models import Preflight, Replay, Replica, Serving
from serving.states import ReplicaState, Status
from worker import following, installed, keys, preflight, reconcile, retention
from worker.deployers.base import Deployer
from worker.gateway import publishing
from worker.topics import making, trimming

log = logging.getLogger(__name__)

FIRST_WAIT_SECONDS = 0.3
LONGEST_WAIT_SECONDS = 2.0
AT_REST = (Status.CREATED, Status.STOPPED)


@shared_task(name="worker.reconcile")
def reconcile_serving(serving_id: int, chain: str = "", tries: int = 0) -> None:
    """Bring a serving closer to its wish until it has settled."""
    go_on(reconcile_serving, Serving, reconcile.step, Link(serving_id, chain, tries))


@shared_task(name="worker.preflight")
def make_preflight(preflight_id: int, chain: str = "", tries: int = 0) -> None:
    """Bring a pre-flight closer to its end."""
    go_on(make_preflight, Preflight, preflight.step, Link(preflight_id, chain, tries))


@dataclass(frozen=True)
class Link:
    """The steps for a row form one chain: a newer call takes it over, and the older one ends by itself."""

    key: int
    chain: str
    tries: int


def go_on(
    task: "Task[..., None]",
    rows: type[Serving | Preflight | Replay],
    step: Callable[[int, Deployer], bool],
    link: Link,
) -> None:
    """Take a step and, while the row has not settled, another one later."""
    if link.chain and not rows.objects.filter(pk=link.key, chain=link.chain).exists():
        return
    try:
        if step(link.key, installed.deployer()):
            return
    except Exception:
        log.exception("A step of %s for %s failed", task.name, link.key)
    chain = secrets.token_hex(16)
    if rows.objects.filter(pk=link.key).update(chain=chain):
        wait = min(FIRST_WAIT_SECONDS * 1.2**link.tries, LONGEST_WAIT_SECONDS)
        task.apply_async((link.key, chain, link.tries + 1), countdown=wait)


@shared_task(name="worker.follow_alias")
def follow_alias(model_id: int, alias: str) -> None:
    following.follow(model_id, alias)


@shared_task(name="worker.follow_aliases")
def follow_aliases() -> None:
    following.follow_all()


@shared_task(name="worker.reconcile_all")
def reconcile_all() -> None:
    """Look at everything that should run, still runs, or has not come to rest."""
    living = Replica.objects.exclude(state=ReplicaState.EXITED).values("serving")
    busy = Serving.objects.filter(
        Q(wanted_replicas__gt=0)
        | Q(is_deleted=True)
        | Q(pk__in=living)
        | ~Q(status__in=[*AT_REST, Status.FAILED])
    )
    for serving_id in busy.values_list("pk", flat=True):
        reconcile_serving.delay(serving_id)
    under_way = Preflight.objects.filter(state__in=[Preflight.State.WAITING, Preflight.State.RUNNING])
    for preflight_id in under_way.values_list("pk", flat=True):
        make_preflight.delay(preflight_id)


@shared_task(name="worker.make_topic")
def make_topic(topic_id: int) -> None:
    making.make(topic_id)


@shared_task(name="worker.make_topics")
def make_topics() -> None:
    making.make_all()


@shared_task(name="worker.trim_topics")
def trim_topics() -> None:
    trimming.trim()


@shared_task(name="worker.publish_keys")
def publish_keys(project_id: int) -> None:
    for serving in Serving.objects.filter(project=project_id, wanted_replicas__gt=0).select_related(
        "project"
    ):
        keys.publish(serving)
    publishing.publish_keys()


@shared_task(name="worker.publish_all_keys")
def publish_all_keys() -> None:
    """Expiry passes without anybody asking, so the files are looked at from time to time."""
    for serving in Serving.objects.filter(wanted_replicas__gt=0).select_related("project"):
        keys.publish(serving)
    publishing.publish_keys()


@shared_task(name="worker.sweep")
def sweep() -> None:
    """Drop abandoned uploads, files nothing refers to, and inference records beyond the kept number."""
    registry.discard_abandoned()
    incoming.drop_abandoned()
    registry.sweep_blobs()
    preflight.forget_old()
    retention.remove_leftovers()
    retention.trim_inference_records()
