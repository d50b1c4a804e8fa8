"""Which slots live next, decided without I/O."""

from serving.states import ReplicaState
from worker.rollout import Living, plan

READY, STARTING = ReplicaState.READY, ReplicaState.STARTING


def living(*rows: tuple[int, int, ReplicaState]) -> list[Living]:
    return [Living(*row) for row in rows]


def test_a_start_fills_every_slot() -> None:
    assert plan(revision=1, replicas=3, has_given_up=False, living=[]) == {1: (0, 1, 2)}


def test_a_stop_keeps_nothing() -> None:
    assert plan(revision=1, replicas=0, has_given_up=False, living=living((1, 0, READY))) == {}


def test_the_old_revision_stays_until_every_new_slot_is_ready() -> None:
    rows = living((1, 0, READY), (1, 1, READY), (2, 0, READY), (2, 1, STARTING))
    assert plan(revision=2, replicas=2, has_given_up=False, living=rows) == {2: (0, 1), 1: (0, 1)}
    rows = living((1, 0, READY), (1, 1, READY), (2, 0, READY), (2, 1, READY))
    assert plan(revision=2, replicas=2, has_given_up=False, living=rows) == {2: (0, 1)}


def test_an_old_replica_that_is_not_ready_is_not_kept() -> None:
    assert plan(revision=2, replicas=1, has_given_up=False, living=living((1, 0, STARTING))) == {2: (0,)}


def test_a_revision_that_was_given_up_starts_nothing_and_leaves_the_old_one_alone() -> None:
    rows = living((1, 0, READY), (1, 1, READY), (2, 0, STARTING))
    assert plan(revision=2, replicas=2, has_given_up=True, living=rows) == {1: (0, 1)}


def test_a_given_up_revision_keeps_its_ready_replicas() -> None:
    assert plan(revision=1, replicas=2, has_given_up=True, living=living((1, 1, READY))) == {1: (1,)}


def test_scaling_down_drops_the_last_slots() -> None:
    rows = living((1, 0, READY), (1, 1, READY), (1, 2, READY))
    assert plan(revision=1, replicas=1, has_given_up=False, living=rows) == {1: (0,)}
