"""Applies `states.derive` to a serving's rows: the only place where a status is written."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from serving import queries
from serving.models import Replica, Serving
from serving.states import Canary, Component, ReplicaState, SeenReplica, Verdict, Wanted, derive

COLUMNS = ("status", "condition_type", "condition_status", "condition_reason")


def of(serving: Serving, living: Iterable[Replica]) -> Verdict:
    """What the facts on the serving and its living replicas amount to."""
    reason = serving.failure["reason"] if serving.failure else None
    wanted = Wanted(
        revision=serving.current.number,
        replicas=serving.wanted_total,
        preparing=serving.preparing,
        was_ready=serving.was_ready,
        has_run=serving.deployed_at is not None,
        failure=reason if serving.has_given_up else None,
        setback=reason,
        is_refused=serving.current.is_refused,
        canary=_canary(serving),
    )
    behind = queries.revisions_with_transformers(serving)
    seen = [
        SeenReplica(
            each.revision,
            ReplicaState(each.state),
            each.complaint or None,
            is_front=each.component == Component.TRANSFORMER or each.revision not in behind,
        )
        for each in living
    ]
    return derive(wanted, seen)


def _canary(serving: Serving) -> Canary | None:
    found = serving.canary
    if found is None:
        return None
    failure = serving.canary_failure["reason"] if serving.canary_failure else None
    replicas = found.replicas + found.own_transformers
    return Canary(found.number, serving.canary_percent, replicas, failure)


def columns(verdict: Verdict) -> dict[str, Any]:
    """The verdict as columns of Serving."""
    condition = {f"condition_{name}": value for name, value in asdict(verdict.condition).items()}
    return {"status": verdict.status} | condition


def refresh(serving: Serving) -> None:
    """Write the verdict on the rows as they are, so that a new wish shows at once."""
    serving.refresh_from_db()
    living = serving.replicas.exclude(state=ReplicaState.EXITED)
    for name, value in columns(of(serving, living)).items():
        setattr(serving, name, value)
    serving.save(update_fields=COLUMNS)
