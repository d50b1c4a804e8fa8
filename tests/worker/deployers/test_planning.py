"""Which replicas end and which start, decided without an engine."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from worker.deployers import planning
from worker.deployers.base import Phase, ReplicaStatus, RevisionSpec, ServingSpec

SHARE = RevisionSpec(revision=1, slots=(0,), artifact="", manifest=b"", files=(), python=Path())
SPEC = ServingSpec(name="garden-sums-1", host="", port=0, keys_file=Path(), revisions=(SHARE,))


def replica(attempt: int, phase: Phase = Phase.ALIVE) -> ReplicaStatus:
    return ReplicaStatus(f"r1-0-{attempt}", 1, 0, attempt, phase, datetime.now(UTC))


def test_an_ended_replica_that_lives_again_takes_no_place_from_its_successor() -> None:
    spec = replace(SPEC, ended=frozenset({"r1-0-1"}))
    plan = planning.plan(spec, [replica(1), replica(2)])
    assert (plan.ending, plan.starting) == (("r1-0-1",), ())


def test_an_ended_replica_that_lives_again_alone_is_succeeded() -> None:
    plan = planning.plan(replace(SPEC, ended=frozenset({"r1-0-1"})), [replica(1)])
    assert (plan.ending, [start.name for start in plan.starting]) == (("r1-0-1",), ["r1-0-2"])
