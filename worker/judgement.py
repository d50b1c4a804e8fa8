"""Judges, without I/O, what has been seen of a serving: setbacks, failure, given up, ready."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from serving.models import Replica
from serving.states import Component, ReplicaState
from worker.failures import Failure
from worker.rollout import Share

STEADY_AFTER = timedelta(seconds=60)


@dataclass(frozen=True)
class Facts:
    """What a serving's status is derived from, as columns of its row.

    `setbacks` counts, by `<revision>-<slot>` with a t before the slot of a transformer, the ends nobody asked for since
    that slot was last steady. `good_revision` is the last one that was ready in all its slots since the start, and
    `good_replicas` how many predictors it ran. `canary_failure` is why the canary was given up.
    """

    setbacks: dict[str, int]
    failure: dict[str, Any] | None
    has_given_up: bool
    was_ready: bool
    good_revision: int | None
    good_replicas: int | None = None
    canary_failure: dict[str, Any] | None = None


@dataclass(frozen=True)
class Rules:
    """What is asked of replicas: attempts until one is given up, and for how long a new revision's have to be ready."""

    most_attempts: int
    pace: timedelta = timedelta(0)


def judge(
    facts: Facts,
    *,
    wanted: Share,
    canary: int | None = None,
    living: Sequence[Replica],
    failures: Sequence[Failure],
    now: datetime,
    rules: Rules,
) -> Facts:
    """The facts after a look at a serving that should run."""
    for failure in failures:
        facts = count(facts, failure, wanted.revision, canary, rules.most_attempts)
    if facts.good_revision == wanted.revision:
        facts = replace(facts, good_replicas=wanted.replicas)
    is_update = facts.good_revision not in (None, wanted.revision)
    there = {
        (each.component, each.slot)
        for each in living
        if each.revision == wanted.revision and is_ready(each, now, rules.pace if is_update else timedelta(0))
    }
    has_failed = any(failure.revision == wanted.revision for failure in failures)
    if there >= set(wanted.slots) and not has_failed:
        facts = replace(
            facts,
            failure=None,
            has_given_up=False,
            was_ready=True,
            good_revision=wanted.revision,
            good_replicas=wanted.replicas,
        )
    steady = {key_of(each) for each in living if is_ready(each, now, STEADY_AFTER)}
    return replace(facts, setbacks={key: n for key, n in facts.setbacks.items() if key not in steady})


def is_ready(replica: Replica, now: datetime, since: timedelta = timedelta(0)) -> bool:
    """Whether it is ready and first was so long ago."""
    if replica.state != ReplicaState.READY:
        return False
    return not since or (replica.ready_at is not None and now - replica.ready_at >= since)


def at_rest(facts: Facts, failure: Failure | None) -> Facts:
    """The facts on a serving that should not run: it has failed only if it cannot be made ready to."""
    if failure is None:
        return replace(facts, failure=None, has_given_up=False)
    return replace(facts, failure=failure.as_json(), has_given_up=True)


def count(facts: Facts, failure: Failure, revision: int, canary: int | None, most_attempts: int) -> Facts:
    """The facts after one more failure; `revision` is the wanted one."""
    attempt = facts.setbacks.get(key_of(failure), 0) + 1
    gives_up = failure.is_hopeless or attempt >= most_attempts
    spent = max(attempt, most_attempts) if gives_up else attempt
    facts = replace(facts, setbacks=facts.setbacks | {key_of(failure): spent})
    said = _last_words(failure, attempt) if gives_up else replace(failure, attempt=attempt)
    if failure.revision == revision:
        return replace(facts, failure=said.as_json(), has_given_up=gives_up or facts.has_given_up)
    if failure.revision == canary and gives_up:
        return replace(facts, canary_failure=said.as_json())
    return facts


def _last_words(failure: Failure, attempt: int) -> Failure:
    if failure.is_hopeless:
        return replace(failure, attempt=attempt)
    code = "CrashLoop" if failure.was_ready else failure.code
    reason = f"{failure.reason} Given up after {attempt} attempt{'' if attempt == 1 else 's'}."
    return replace(failure, code=code, reason=reason, attempt=attempt)


def key_of(of: Replica | Failure) -> str:
    """Its place among the setbacks."""
    return key(of.revision, Component(of.component), of.slot)


def key(revision: int, component: Component, slot: int) -> str:
    mark = "t" if component == Component.TRANSFORMER else ""
    return f"{revision}-{mark}{slot}"
