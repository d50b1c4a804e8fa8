"""One step for one serving: observe, judge, apply, record. Harmless when late, doubled or interrupted."""

import logging
import time
from dataclasses import asdict
from typing import Any

from django.db import transaction
from django.utils import timezone

from serving import logs, verdicts
from serving.models import Replica, Serving, ServingEvent
from serving.states import Component, ReplicaState, unseen
from worker import deciding, keys, lease, predictors, specs
from worker.deployers.base import Deployer, DeployerError
from worker.deployers.several import UNREACHABLE
from worker.failures import Failure
from worker.gateway import publishing
from worker.judgement import Facts
from worker.observe import Observation, observe, place_of
from worker.rollout import Shares

log = logging.getLogger(__name__)

PREDICTORS_READ_WITHIN = 0.6  # seconds: transformers look every quarter of one
ROWS_KEPT = 50  # more than a deployer remembers, or it would report an old exit as news
ROW_COLUMNS = ("state", "address", "place", "complaint", "exit", "ready_at", "silent_since", "ended_at")


def step(serving_id: int, deployer: Deployer) -> bool:
    """Bring a serving closer to its wish; True when nothing is left to do for now."""
    with lease.hold(serving_id) as is_ours:
        if not is_ours:
            return not Serving.objects.filter(pk=serving_id).exists()
        return _step(serving_id, deployer)


def _step(serving_id: int, deployer: Deployer) -> bool:
    serving = Serving.objects.select_related("project", "created_by", "revision", "canary").get(pk=serving_id)
    if serving.is_deleted:
        _remove(serving, deployer)
        return True
    seen = observe(serving, deployer)
    if seen.blindness and serving.wanted_replicas:
        _record(serving, seen, deciding.known(serving), serving.preparing)
        return False
    prepared = deciding.prepared(serving)
    facts = deciding.judged(serving, seen, prepared)
    shares = deciding.planned(serving, seen, facts, prepared)
    leaving = _leave(seen, shares)
    if not _record(serving, seen, facts, prepared.current.sentence):
        return False
    if leaving & _behind(seen, shares):
        predictors.publish(serving, seen.living, shares)
        time.sleep(PREDICTORS_READ_WITHIN)
    try:
        _apply(serving, seen, shares, deployer)
    except DeployerError as error:
        _record_error(serving, seen, facts, error)
        return False
    is_update = serving.wanted_replicas and facts.good_revision != serving.current.number
    is_there = facts.has_given_up or not is_update
    return is_there and not prepared.is_under_way and _is_as_planned(seen, shares)


def _leave(seen: Observation, shares: Shares) -> set[str]:
    """Who is to leave from now on: their rows say so before they are told, so that nothing new is sent to them."""
    return seen.leave({(revision, slot) for revision, slots in shares.items() for slot in slots})


def _behind(seen: Observation, shares: Shares) -> set[str]:
    """The predictors of transformers that stay, which find out from a file whom they may ask."""
    staying = {
        revision for revision, slots in shares.items() if any(c == Component.TRANSFORMER for c, _ in slots)
    }
    return {e.name for e in seen.living if e.component == Component.PREDICTOR and e.revision in staying}


def _apply(serving: Serving, seen: Observation, shares: Shares, deployer: Deployer) -> None:
    """Gateways first, then the replicas: who leaves is out of the way of requests when it is told."""
    if shares:
        keys.publish(serving)
        predictors.publish(serving, seen.living, shares)
    ending = [each.name for each in seen.living if each.state == ReplicaState.STOPPING]
    publishing.publish(serving, leaving=ending)
    if shares or seen.living:
        deployer.apply(specs.serving_spec(serving, shares, unwanted=ending, ended=seen.ended))


def _is_as_planned(seen: Observation, shares: Shares) -> bool:
    planned = {(revision, slot, ReplicaState.READY) for revision, slots in shares.items() for slot in slots}
    is_quiet = any(each.silent_since for each in seen.living)
    return not is_quiet and planned == {(*place_of(each), each.state) for each in seen.living}


def _record_error(serving: Serving, seen: Observation, facts: Facts, error: DeployerError) -> None:
    """An engine that does not answer is nobody's failure; whatever else went wrong is one of the wanted revision."""
    if error.code in UNREACHABLE:
        seen.blindness = error.reason
    else:
        facts = deciding.counted(serving, facts, Failure(error.code, error.reason))
    _record(serving, seen, facts, serving.preparing)


def _record(serving: Serving, seen: Observation, facts: Facts, preparing: str) -> bool:
    """Save what was seen and the verdict on it; False, and nothing saved, if a newer wish came meanwhile."""
    judged = asdict(facts) | {"preparing": preparing}
    before = {name: getattr(serving, name) for name in (*verdicts.COLUMNS, *judged)}
    for name, value in judged.items():
        setattr(serving, name, value)
    verdict = verdicts.of(serving, seen.living)
    changed = verdicts.columns(unseen(verdict, seen.blindness) if seen.blindness else verdict) | judged
    for name, value in changed.items():
        setattr(serving, name, value)
    current = Serving.objects.filter(pk=serving.pk, generation=serving.generation)
    with transaction.atomic():
        if not current.select_for_update().exists():
            return False
        _save_replicas(serving, seen)
        if changed == before and not seen.changed:
            return True
        current.update(**changed, changed_at=timezone.now())
        if changed["status"] != before["status"]:
            _tell(serving, changed)
    seen.changed.clear()
    return True


def _save_replicas(serving: Serving, seen: Observation) -> None:
    for replica in seen.changed:
        replica.save(update_fields=ROW_COLUMNS if replica.pk else None)
    ended = serving.replicas.filter(state=ReplicaState.EXITED).order_by("-ended_at")
    if stale := dict(ended.values_list("pk", "name")[ROWS_KEPT:]):
        Replica.objects.filter(pk__in=stale).delete()
        logs.forget(serving.key, stale.values())


def _tell(serving: Serving, changed: dict[str, Any]) -> None:
    status, reason = changed["status"], changed["condition_reason"]
    detail = changed["failure"] or {}
    ServingEvent.objects.create(
        serving=serving, actor="worker", kind="status", status=status, text=reason, detail=detail
    )
    log.info("%s is %s: %s", serving.key, status, reason)


def _remove(serving: Serving, deployer: Deployer) -> None:
    publishing.withdraw(serving)
    deployer.remove(serving.key)
    keys.withdraw(serving)
    predictors.withdraw(serving)
    logs.forget(serving.key)
    serving.delete()
