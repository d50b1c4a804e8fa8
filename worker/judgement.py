"""Judges, without I/O, what has been seen of a serving: setbacks, failure, given up, ready."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from serving.models import Replica
from serving.states import Component, ReplicaState
from worker.failures import Failure
from worker.rollout import Slot

STEADY_AFTER = timedelta(seconds=60)


@dataclass(frozen=True)
class Facts:
    """What a serving's status is derived from, as columns of its row.

    `setbacks` counts, by `<revision>-<slot>` with a t before the slot of a transformer, the ends nobody asked for since
    that slot was last steady. `good_revision` is the last one that was ready in all its slots since the start.
    """

    setbacks: dict[str, int]
    failure: dict[str, Any] | None
    has_given_up: bool
    was_ready: bool
    good_revision: int | None


def judge(
    facts: Facts,
    *,
    revision: int,
    slots: Collection[Slot],
    living: Sequence[Replica],
    failures: Sequence[Failure],
    now: datetime,
    most_attempts: int,
) -> Facts:
    """The facts after a look at a serving that should run."""
    for failure in failures:
        facts = count(facts, failure, revision, most_attempts)
    ready = [each for each in living if each.state == ReplicaState.READY]
    there = {(each.component, each.slot) for each in ready if each.revision == revision}
    if there >= set(slots) and not any(failure.revision == revision for failure in failures):
        facts = replace(facts, failure=None, has_given_up=False, was_ready=True, good_revision=revision)
    steady = {_key(each) for each in ready if each.ready_at and now - each.ready_at > STEADY_AFTER}
    return replace(facts, setbacks={key: n for key, n in facts.setbacks.items() if key not in steady})


def at_rest(facts: Facts, failure: Failure | None) -> Facts:
    """The facts on a serving that should not run: it has failed only if it cannot be made ready to."""
    if failure is None:
        return replace(facts, failure=None, has_given_up=False)
    return replace(facts, failure=failure.as_json(), has_given_up=True)


def count(facts: Facts, failure: Failure, revision: int, most_attempts: int) -> Facts:
    """The facts after one more failure; `revision` is the wanted one."""
    attempt = facts.setbacks.get(_key(failure), 0) + 1
    facts = replace(facts, setbacks=facts.setbacks | {_key(failure): attempt})
    gives_up = failure.is_hopeless or attempt >= most_attempts
    if failure.revision == revision:
        said = _last_words(failure, attempt) if gives_up else replace(failure, attempt=attempt)
        return replace(facts, failure=said.as_json(), has_given_up=gives_up or facts.has_given_up)
    if failure.revision == facts.good_revision and gives_up:
        return replace(facts, good_revision=None)
    return facts


def _last_words(failure: Failure, attempt: int) -> Failure:
    if failure.is_hopeless:
        return replace(failure, attempt=attempt)
    code = "CrashLoop" if failure.was_ready else failure.code
    reason = f"{failure.reason} Given up after {attempt} attempt{'' if attempt == 1 else 's'}."
    return replace(failure, code=code, reason=reason, attempt=attempt)


def _key(of: Replica | Failure) -> str:
    mark = "t" if of.component == Component.TRANSFORMER else ""
    return f"{of.revision}-{mark}{of.slot}"
