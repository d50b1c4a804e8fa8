"""Which slots live next, decided without I/O."""

from worker.rollout import Share, plan

NEW, OLD = Share(2, 2), Share(1, 2)
OLD_READY = {(1, 0), (1, 1)}


def test_a_start_fills_every_slot() -> None:
    assert plan(wanted=Share(1, 3), good=None, has_given_up=False, ready=set()) == {1: (0, 1, 2)}


def test_a_stop_keeps_nothing() -> None:
    assert plan(wanted=Share(1, 0), good=Share(1, 2), has_given_up=False, ready={(1, 0)}) == {}


def test_the_good_revision_stays_until_every_new_slot_is_ready() -> None:
    shares = plan(wanted=NEW, good=OLD, has_given_up=False, ready=OLD_READY | {(2, 0)})
    assert shares == {2: (0, 1), 1: (0, 1)}
    assert plan(wanted=NEW, good=OLD, has_given_up=False, ready=OLD_READY | {(2, 0), (2, 1)}) == {2: (0, 1)}


def test_the_good_revision_is_healed_while_the_new_one_starts() -> None:
    assert plan(wanted=NEW, good=OLD, has_given_up=False, ready={(1, 0)}) == {2: (0, 1), 1: (0, 1)}


def test_an_old_revision_that_was_never_good_is_not_kept() -> None:
    assert plan(wanted=NEW, good=None, has_given_up=False, ready=OLD_READY) == {2: (0, 1)}


def test_a_revision_that_was_given_up_leaves_the_good_one_whole() -> None:
    assert plan(wanted=NEW, good=OLD, has_given_up=True, ready=set()) == {1: (0, 1)}
    assert plan(wanted=NEW, good=OLD, has_given_up=True, ready=OLD_READY | {(2, 0)}) == {1: (0, 1)}


def test_a_given_up_revision_keeps_its_ready_replicas_where_nothing_better_answers() -> None:
    assert plan(wanted=OLD, good=None, has_given_up=True, ready={(1, 1)}) == {1: (1,)}
    assert plan(wanted=OLD, good=OLD, has_given_up=True, ready={(1, 1)}) == {1: (1,)}


def test_scaling_down_drops_the_last_slots() -> None:
    assert plan(wanted=Share(1, 1), good=Share(1, 3), has_given_up=False, ready=OLD_READY) == {1: (0,)}
