"""Celery's tasks: ids in, one call, harmless when late or doubled."""

import logging
import secrets

from celery import shared_task
from django.db.models import Q

from models_registry import services as registry
from models_registry.incoming import services as incoming
from serving.models import Preflight, Replica, Serving
from serving.states import ReplicaState, Status
from worker import following, installed, keys, preflight, reconcile, retention

log = logging.getLogger(__name__)

FIRST_WAIT_SECONDS = 0.3
LONGEST_WAIT_SECONDS = 2.0
AT_REST = (Status.CREATED, Status.STOPPED)


@shared_task(name="worker.reconcile")
def reconcile_serving(serving_id: int, chain: str = "", tries: int = 0) -> None:
    """Take a step and, while the serving has not settled, another one later.

    The steps of a serving form one chain: a newer call takes it over, and the older one ends by itself.
    """
    if chain and not Serving.objects.filter(pk=serving_id, chain=chain).exists():
        return
    try:
        if reconcile.step(serving_id, installed.deployer()):
            return
    except Exception:
        log.exception("A step for serving %s failed", serving_id)
    chain = secrets.token_hex(16)
    if Serving.objects.filter(pk=serving_id).update(chain=chain):
        wait = min(FIRST_WAIT_SECONDS * 1.2**tries, LONGEST_WAIT_SECONDS)
        reconcile_serving.apply_async((serving_id, chain, tries + 1), countdown=wait)


@shared_task(name="worker.preflight")
def make_preflight(preflight_id: int, chain: str = "", tries: int = 0) -> None:
    """As reconcile_serving, for a pre-flight."""
    if chain and not Preflight.objects.filter(pk=preflight_id, chain=chain).exists():
        return
    try:
        if preflight.step(preflight_id, installed.deployer()):
            return
    except Exception:
        log.exception("A step for pre-flight %s failed", preflight_id)
    chain = secrets.token_hex(16)
    if Preflight.objects.filter(pk=preflight_id).update(chain=chain):
        wait = min(FIRST_WAIT_SECONDS * 1.1**tries, LONGEST_WAIT_SECONDS)
        make_preflight.apply_async((preflight_id, chain, tries + 1), countdown=wait)


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


@shared_task(name="worker.publish_keys")
def publish_keys(project_id: int) -> None:
    for serving in Serving.objects.filter(project=project_id, wanted_replicas__gt=0).select_related(
        "project"
    ):
        keys.publish(serving)


@shared_task(name="worker.publish_all_keys")
def publish_all_keys() -> None:
    """Expiry passes without anybody asking, so the files are looked at from time to time."""
    for serving in Serving.objects.filter(wanted_replicas__gt=0).select_related("project"):
        keys.publish(serving)


@shared_task(name="worker.sweep")
def sweep() -> None:
    """Drop abandoned uploads, files nothing refers to, and inference records beyond the kept number."""
    registry.discard_abandoned()
    incoming.drop_abandoned()
    registry.sweep_blobs()
    preflight.forget_old()
    retention.remove_leftovers()
    retention.trim_inference_records()
    retention.forget_read_topic_files()
