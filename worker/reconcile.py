"""One step for one serving: observe, decide, apply, record. Harmless when late, doubled or interrupted."""

import logging
import secrets
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from models_registry import services as registry
from serving import logs, verdicts
from serving.models import Replica, Revision, Serving, ServingEvent
from serving.states import ReplicaState
from worker import keys, rollout, specs
from worker.deployers.base import Deployer, DeployerError
from worker.failures import Failure
from worker.observe import Observation, observe

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=2)
ROWS_KEPT = 50  # more than a deployer remembers, or it would report an old exit as news
STEADY_AFTER = timedelta(seconds=60)


def step(serving_id: int, deployer: Deployer) -> bool:
    """Bring a serving closer to its wish; True when nothing is left to do for now."""
    token = secrets.token_hex(16)
    now = timezone.now()
    mine = Serving.objects.filter(pk=serving_id)
    if not mine.filter(Q(lease="") | Q(lease_until__lt=now)).update(lease=token, lease_until=now + LEASE):
        return not mine.exists()
    try:
        return _step(serving_id, deployer)
    finally:
        mine.filter(lease=token).update(lease="")


def _step(serving_id: int, deployer: Deployer) -> bool:
    serving = Serving.objects.select_related("project", "created_by", "revision").get(pk=serving_id)
    if serving.is_deleted:
        _remove(serving, deployer)
        return True
    _build_artifact(serving.current)
    seen = observe(serving, deployer)
    _record_replicas(serving, seen)
    facts = _judge(serving, seen)
    try:
        _apply(serving, seen, facts, deployer)
    except DeployerError as error:
        attempt = facts["attempts"] + 1
        facts |= _after(Failure(error.code, error.reason, "", attempt), attempt)
    return _save(serving, seen, facts)


def _build_artifact(revision: Revision) -> None:
    if revision.artifact_id is None:
        revision.artifact = registry.build_artifact(version=revision.model_version)
        Revision.objects.filter(pk=revision.pk, artifact=None).update(artifact=revision.artifact)


def _judge(serving: Serving, seen: Observation) -> dict[str, Any]:
    """The serving's facts after what was seen: attempts, failure, given up, fully ready."""
    facts = {
        "attempts": serving.attempts,
        "failure": serving.failure,
        "has_given_up": serving.has_given_up,
        "was_ready": serving.was_ready,
    }
    if serving.wanted_replicas == 0:
        return facts
    for number, failure in enumerate(seen.failures, start=serving.attempts + 1):
        facts |= _after(replace(failure, attempt=number), number)
    ready = [each for each in seen.living if each.state == ReplicaState.READY]
    current = [each for each in ready if each.revision == serving.current.number]
    if len(current) >= serving.wanted_replicas and not seen.failures:
        facts |= {"was_ready": True, "failure": None, "has_given_up": False}
        if all(each.ready_at and timezone.now() - each.ready_at > STEADY_AFTER for each in current):
            facts["attempts"] = 0
    return facts


def _after(failure: Failure, attempts: int) -> dict[str, Any]:
    gives_up = failure.is_hopeless or attempts >= settings.MAX_START_ATTEMPTS
    if gives_up and not failure.is_hopeless:
        code = "CrashLoop" if failure.was_ready else failure.code
        failure = replace(failure, code=code, reason=f"{failure.reason} Given up after {attempts} attempts.")
    return {"attempts": attempts, "failure": failure.as_json(), "has_given_up": gives_up}


def _apply(serving: Serving, seen: Observation, facts: dict[str, Any], deployer: Deployer) -> None:
    shares = rollout.plan(
        revision=serving.current.number,
        replicas=serving.wanted_replicas,
        has_given_up=facts["has_given_up"],
        living=[rollout.Living(each.revision, each.slot, ReplicaState(each.state)) for each in seen.living],
    )
    if shares:
        keys.publish(serving)
    if shares or seen.living:
        unwanted = [each.name for each in seen.living if each.state == ReplicaState.STOPPING]
        deployer.apply(specs.serving_spec(serving, shares, unwanted=unwanted, ended=seen.ended))


def _record_replicas(serving: Serving, seen: Observation) -> None:
    with transaction.atomic():
        for replica in seen.changed:
            if replica.pk is None:
                replica.save()
            else:
                replica.save(
                    update_fields=["state", "address", "place", "complaint", "exit", "ready_at", "ended_at"]
                )
    ended = serving.replicas.filter(state=ReplicaState.EXITED).order_by("-ended_at")
    if stale := dict(ended.values_list("pk", "name")[ROWS_KEPT:]):
        Replica.objects.filter(pk__in=stale).delete()
        logs.forget(serving, stale.values())


def _save(serving: Serving, seen: Observation, facts: dict[str, Any]) -> bool:
    """Record the verdict unless a newer wish came meanwhile; tell whether the serving has settled."""
    before = {name: getattr(serving, name) for name in (*verdicts.COLUMNS, *facts)}
    for name, value in facts.items():
        setattr(serving, name, value)
    changed = verdicts.columns(verdicts.of(serving, seen.living)) | facts
    with transaction.atomic():
        current = Serving.objects.filter(pk=serving.pk, generation=serving.generation)
        if changed != before or seen.changed:
            if not current.update(**changed, changed_at=timezone.now()):
                return False
            if changed["status"] != before["status"]:
                _tell(serving, changed)
        elif not current.exists():
            return False
    return _has_settled(serving, seen, facts)


def _has_settled(serving: Serving, seen: Observation, facts: dict[str, Any]) -> bool:
    if facts["has_given_up"] or serving.wanted_replicas == 0:
        stopping = [each for each in seen.living if each.state != ReplicaState.READY]
        return not stopping and (serving.wanted_replicas > 0 or not seen.living)
    states = {(each.revision, each.state) for each in seen.living}
    return len(seen.living) == serving.wanted_replicas and states == {
        (serving.current.number, ReplicaState.READY)
    }


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
    logs.forget(serving)
    serving.delete()
