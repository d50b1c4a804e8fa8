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
from worker import control, deciding, keys, lease, looking, predictors, refusals, removing, specs
from worker.deployers.base import Deployer, DeployerError
from worker.deployers.several import UNREACHABLE
from worker.failures import Failure
from worker.gateway import publishing
from worker.images import wanted
from worker.judgement import Facts
from worker.observe import Observation, observe, place_of
from worker.rollout import Shares

log = logging.getLogger(__name__)

PREDICTORS_READ_WITHIN = 0.6  # seconds: transformers look every quarter of one
PREDICTORS_ASKED_WITHIN = (
    1.2  # seconds: those in containers ask every half of one, and then look like the others
)
ROWS_KEPT = 50  # more than a deployer remembers, or it would report an old exit as news
ROW_COLUMNS = (
    "state",
    "address",
    "place",
    "complaint",
    "exit",
    "log_counts",
    "ready_at",
    "silent_since",
    "ended_at",
)


def step(serving_id: int, deployer: Deployer) -> bool:
    """Bring a serving closer to its wish; True when nothing is left to do for now."""
    with lease.hold(serving_id) as is_ours:
        if not is_ours:
            return not Serving.objects.filter(pk=serving_id).exists()
        return _step(serving_id, deployer)


def _step(serving_id: int, deployer: Deployer) -> bool:
    serving = Serving.objects.select_related("project", "created_by", "revision", "canary").get(pk=serving_id)
    if serving.is_deleted:
        return removing.remove(serving, deployer)
    deployer = looking.concerned(serving, deployer)
    seen = observe(serving, deployer)
    if seen.blindness and serving.wanted_replicas:
        _record(serving, seen, deciding.known(serving), serving.preparing)
        return False
    seen.blindness = seen.blindness or refusals.reason(serving)
    prepared = deciding.prepared(serving)
    facts = deciding.judged(serving, seen, prepared)
    shares = deciding.planned(serving, seen, facts, prepared)
    leaving = _leave(seen, shares)
    if not _record(serving, seen, facts, prepared.current.sentence):
        return False
    if leaving & _behind(seen, shares):
        predictors.publish(serving, seen.living, shares)
        time.sleep(_read_within(seen))
    if not _brought_closer(serving, seen, shares, facts, deployer):
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


def _read_within(seen: Observation) -> float:
    """How long it takes every transformer to know of a new list of predictors."""
    has_slow = any(e.component == Component.TRANSFORMER and e.deployer != control.LOCAL for e in seen.living)
    return PREDICTORS_ASKED_WITHIN if has_slow else PREDICTORS_READ_WITHIN


def _brought_closer(
    serving: Serving, seen: Observation, shares: Shares, facts: Facts, deployer: Deployer
) -> bool:
    """Gateways first, then the replicas: who leaves is out of the way of requests when it is told."""
    if shares:
        keys.publish(serving)
        predictors.publish(serving, seen.living, shares)
    ending = [each.name for each in seen.living if each.state == ReplicaState.STOPPING]
    publishing.publish(serving, leaving=ending)
    if refusals.is_pausing(serving):
        return False
    try:
        if shares or seen.living:
            deployer.apply(specs.serving_spec(serving, shares, unwanted=ending, ended=seen.ended))
    except DeployerError as error:
        _record_error(serving, seen, facts, error)
        return False
    return not refusals.forget(serving)  # else the next step says that it went well


def _is_as_planned(seen: Observation, shares: Shares) -> bool:
    planned = {(revision, slot, ReplicaState.READY) for revision, slots in shares.items() for slot in slots}
    is_quiet = any(each.silent_since for each in seen.living)
    return not is_quiet and planned == {(*place_of(each), each.state) for each in seen.living}


def _record_error(serving: Serving, seen: Observation, facts: Facts, error: DeployerError) -> None:
    """An engine that does not answer is nobody's failure, nor is for some minutes what may pass; and what is refused to
    the good revision is tried on and on. Whatever else went wrong is a failure of the wanted revision.
    """
    wanted.doubt(error)
    failure = Failure(error.code, error.reason)
    refused = error.revision or serving.current.number
    is_good = refused == facts.good_revision and not failure.is_hopeless
    if error.code in UNREACHABLE:
        seen.blindness = error.reason
    elif error.may_pass or is_good:
        seen.blindness = refusals.note(serving, error)
    else:
        seen.blindness = ""
    is_pardoned = (
        error.code in UNREACHABLE or is_good or (error.may_pass and not refusals.has_lasted(serving))
    )
    if not is_pardoned:
        facts = deciding.counted(serving, facts, failure)
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
