"""Puts a serving's rows before the pure decisions: what is prepared, what to make of what was seen, what lives next."""

from dataclasses import dataclass, fields, replace
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from serving.models import Revision, Serving
from serving.states import ReplicaState
from worker import judgement, preparation, rollout
from worker.environments import prepare
from worker.failures import Failure
from worker.judgement import Facts
from worker.observe import Observation, place_of
from worker.preparation import Preparation
from worker.rollout import Share, Shares


@dataclass(frozen=True)
class Prepared:
    """How far the preparation of the current revision is, and of the canary if there is one that may run."""

    current: Preparation
    canary: Preparation | None

    @property
    def is_under_way(self) -> bool:
        return bool(self.current.sentence or (self.canary and self.canary.sentence))


def prepared(serving: Serving) -> Prepared:
    canary = serving.canary if serving.wanted_replicas and not serving.canary_failure else None
    return Prepared(
        current=preparation.of(serving, serving.current),
        canary=preparation.of(serving, canary) if canary else None,
    )


def known(serving: Serving) -> Facts:
    """The facts as they are in the serving's row."""
    return Facts(**{each.name: getattr(serving, each.name) for each in fields(Facts)})


def judged(serving: Serving, seen: Observation, ready: Prepared) -> Facts:
    facts = known(serving)
    if serving.wanted_replicas == 0:
        return judgement.at_rest(facts, ready.current.failure)
    failures = [*seen.failures]
    failure = None if _is_all_ready(serving, seen) else ready.current.failure
    if failure is not None and not facts.has_given_up:
        failures.append(replace(failure, revision=serving.current.number))
    if serving.canary and ready.canary and ready.canary.failure:
        failures.append(replace(ready.canary.failure, revision=serving.canary.number))
    return judgement.judge(
        facts,
        wanted=_share(serving.current, serving.wanted_replicas),
        canary=serving.canary.number if serving.canary else None,
        living=seen.living,
        failures=failures,
        now=timezone.now(),
        rules=judgement.Rules(settings.MAX_START_ATTEMPTS, _pace(serving)),
    )


def _is_all_ready(serving: Serving, seen: Observation) -> bool:
    """Whether nothing of the wanted revision is to be started, so that its preparation is no matter now."""
    there = {place_of(each) for each in seen.living if each.state == ReplicaState.READY}
    wanted = _share(serving.current, serving.wanted_replicas)
    return there >= {(wanted.revision, slot) for slot in wanted.slots}


def counted(serving: Serving, facts: Facts, failure: Failure) -> Facts:
    """The facts after one more failure of the wanted revision."""
    mine = replace(failure, revision=serving.current.number)
    return judgement.count(facts, mine, mine.revision, None, settings.MAX_START_ATTEMPTS)


def planned(serving: Serving, seen: Observation, facts: Facts, ready: Prepared) -> Shares:
    good = serving.revisions.filter(number=facts.good_revision or 0).first()
    wanted = _share(serving.current, serving.wanted_replicas)
    canary = None
    if serving.canary and ready.canary and facts.canary_failure is None:
        canary = replace(_share(serving.canary, serving.canary.replicas), may_start=ready.canary.is_done)
    good_share = _good(serving, good, facts, ready) if good else None
    return rollout.plan(
        wanted=replace(wanted, may_start=ready.current.is_done and not facts.has_given_up),
        good=good_share,
        canary=canary,
        surge=serving.surge,
        seen=_seen(serving, seen, facts, good_share),
    )


def _good(serving: Serving, good: Revision, facts: Facts, ready: Prepared) -> Share:
    """The good revision at its full number; if it is to stay, at the one that was asked for by hand."""
    number = facts.good_replicas or good.replicas
    if facts.has_given_up and serving.scale is not None:
        number = serving.scale
    is_current = good.pk == serving.current.pk
    may_start = ready.current.is_done if is_current else prepare.ready(good).is_ready
    return replace(_share(good, number), may_start=may_start)


def _seen(serving: Serving, seen: Observation, facts: Facts, good: Share | None) -> rollout.Seen:
    now, pace = timezone.now(), _pace(serving)
    alive = [each for each in seen.living if each.state != ReplicaState.STOPPING]
    most = settings.MAX_START_ATTEMPTS
    return rollout.Seen(
        alive={place_of(each) for each in alive},
        ready={place_of(each) for each in alive if judgement.is_ready(each, now)},
        steady={place_of(each) for each in alive if judgement.is_ready(each, now, pace)},
        stopping=[place_of(each) for each in seen.living if each.state == ReplicaState.STOPPING],
        spent={
            (good.revision, slot)
            for slot in (good.slots if good else ())
            if good and facts.setbacks.get(judgement.key(good.revision, *slot), 0) >= most
        },
    )


def _share(revision: Revision, replicas: int) -> Share:
    return Share(revision.number, replicas, revision.own_transformers)


def _pace(serving: Serving) -> timedelta:
    return timedelta(seconds=serving.pace_seconds)
