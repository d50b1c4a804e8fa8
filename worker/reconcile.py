"""One step for one serving: observe, judge, apply, record. Harmless when late, doubled or interrupted."""

import logging
from dataclasses import asdict, fields, replace
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from serving import logs, verdicts
from serving.models import Replica, Revision, Serving, ServingEvent
from serving.states import Component, ReplicaState
from worker import judgement, keys, lease, predictors, preparation, rollout, specs
from worker.deployers.base import Deployer, DeployerError
from worker.environments import prepare
from worker.failures import Failure
from worker.judgement import Facts
from worker.observe import Observation, observe
from worker.preparation import Preparation
from worker.rollout import Shares, Slot

log = logging.getLogger(__name__)

ROWS_KEPT = 50  # more than a deployer remembers, or it would report an old exit as news
ROW_COLUMNS = ("state", "address", "place", "complaint", "exit", "ready_at", "silent_since", "ended_at")


def step(serving_id: int, deployer: Deployer) -> bool:
    """Bring a serving closer to its wish; True when nothing is left to do for now."""
    with lease.hold(serving_id) as is_ours:
        if not is_ours:
            return not Serving.objects.filter(pk=serving_id).exists()
        return _step(serving_id, deployer)


def _step(serving_id: int, deployer: Deployer) -> bool:
    serving = Serving.objects.select_related("project", "created_by", "revision").get(pk=serving_id)
    if serving.is_deleted:
        _remove(serving, deployer)
        return True
    seen = observe(serving, deployer)
    prepared = preparation.of(serving, serving.current)
    facts = _judge(serving, seen, prepared)
    shares = _plan(serving, seen, facts, prepared)
    try:
        _apply(serving, seen, shares, deployer)
    except DeployerError as error:
        failure = Failure(error.code, error.reason, revision=serving.current.number)
        facts = judgement.count(facts, failure, serving.current.number, settings.MAX_START_ATTEMPTS)
    is_recorded = _record(serving, seen, facts, prepared)
    return is_recorded and not prepared.sentence and _is_as_planned(seen, shares)


def _judge(serving: Serving, seen: Observation, prepared: Preparation) -> Facts:
    facts = Facts(**{each.name: getattr(serving, each.name) for each in fields(Facts)})
    if serving.wanted_replicas == 0:
        return judgement.at_rest(facts, prepared.failure)
    failures = [*seen.failures]
    if prepared.failure is not None and not facts.has_given_up:
        failures.append(replace(prepared.failure, revision=serving.current.number))
    return judgement.judge(
        facts,
        revision=serving.current.number,
        slots=_share(serving.current, serving.wanted_replicas).slots,
        living=seen.living,
        failures=failures,
        now=timezone.now(),
        most_attempts=settings.MAX_START_ATTEMPTS,
    )


def _plan(serving: Serving, seen: Observation, facts: Facts, prepared: Preparation) -> Shares:
    good = serving.revisions.filter(number=facts.good_revision or 0).first()
    return rollout.plan(
        wanted=_share(serving.current, serving.wanted_replicas),
        good=_share(good, good.replicas) if good else None,
        is_prepared=prepared.is_done,
        is_good_prepared=good is None or prepare.ready(good).is_ready,
        has_given_up=facts.has_given_up,
        ready={(each.revision, _slot(each)) for each in seen.living if each.state == ReplicaState.READY},
    )


def _share(revision: Revision, replicas: int) -> rollout.Share:
    transformers = revision.transformer_replicas if revision.has_separate_transformer else 0
    return rollout.Share(revision.number, replicas, transformers)


def _slot(replica: Replica) -> Slot:
    return Component(replica.component), replica.slot


def _apply(serving: Serving, seen: Observation, shares: Shares, deployer: Deployer) -> None:
    if shares:
        keys.publish(serving)
        predictors.publish(serving, seen.living, shares)
    if shares or seen.living:
        unwanted = [each.name for each in seen.living if each.state == ReplicaState.STOPPING]
        deployer.apply(specs.serving_spec(serving, shares, unwanted=unwanted, ended=seen.ended))


def _is_as_planned(seen: Observation, shares: Shares) -> bool:
    planned = {(revision, slot, ReplicaState.READY) for revision, slots in shares.items() for slot in slots}
    is_quiet = any(each.silent_since for each in seen.living)
    return not is_quiet and planned == {(each.revision, _slot(each), each.state) for each in seen.living}


def _record(serving: Serving, seen: Observation, facts: Facts, prepared: Preparation) -> bool:
    """Save what was seen and the verdict on it; False if a newer wish came meanwhile, which the verdict is not on."""
    judged = asdict(facts) | {"preparing": prepared.sentence}
    before = {name: getattr(serving, name) for name in (*verdicts.COLUMNS, *judged)}
    for name, value in judged.items():
        setattr(serving, name, value)
    changed = verdicts.columns(verdicts.of(serving, seen.living)) | judged
    current = Serving.objects.filter(pk=serving.pk, generation=serving.generation)
    with transaction.atomic():
        _save_replicas(serving, seen)
        if changed == before and not seen.changed:
            return current.exists()
        if not current.update(**changed, changed_at=timezone.now()):
            return False
        if changed["status"] != before["status"]:
            _tell(serving, changed)
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
    deployer.remove(serving.key)
    keys.withdraw(serving)
    predictors.withdraw(serving)
    logs.forget(serving.key)
    serving.delete()
