"""Which slots live next, decided without I/O."""

from dataclasses import replace

from serving.states import Component
from worker.rollout import Seen, Share, Shares, Slot
from worker.rollout import plan as plan_of

NEW, OLD = Share(2, 2), Share(1, 2)
FRONT = Share(2, 1, transformers=1)


def slots(*numbers: int) -> tuple[Slot, ...]:
    return tuple((Component.PREDICTOR, number) for number in numbers)


def there(revision: int, *numbers: int) -> set[tuple[int, Slot]]:
    return {(revision, slot) for slot in slots(*numbers)}


OLD_READY = there(1, 0, 1)


def plan(
    *,
    wanted: Share,
    good: Share | None = None,
    ready: set[tuple[int, Slot]] = frozenset(),  # type: ignore[assignment]
    is_stuck: bool = False,
    **options: object,
) -> Shares:
    """What is ready is all there is, and has been for long."""
    seen = Seen(alive=ready, ready=ready, steady=ready)
    return plan_of(
        wanted=replace(wanted, may_start=not is_stuck),
        good=good,
        seen=seen,
        **options,  # type: ignore[arg-type]
    )


def test_a_start_fills_every_slot() -> None:
    assert plan(wanted=Share(1, 3), good=None, ready=set()) == {1: slots(0, 1, 2)}


def test_a_transformer_of_its_own_has_slots_of_its_own() -> None:
    both = (*slots(0), (Component.TRANSFORMER, 0))
    assert plan(wanted=FRONT, good=None, ready=set()) == {2: both}


def test_predictors_alone_do_not_complete_a_revision_with_transformers() -> None:
    shares = plan(wanted=FRONT, good=OLD, ready=OLD_READY | there(2, 0))
    assert shares[1] == slots(0, 1)
    complete = OLD_READY | there(2, 0) | {(2, (Component.TRANSFORMER, 0))}
    assert 1 not in plan(wanted=FRONT, good=OLD, ready=complete)


def test_a_stop_keeps_nothing() -> None:
    assert plan(wanted=Share(1, 0), good=Share(1, 2), ready=there(1, 0)) == {}


def test_the_good_revision_stays_until_every_new_slot_is_ready() -> None:
    shares = plan(wanted=NEW, good=OLD, ready=OLD_READY | there(2, 0))
    assert shares == {2: slots(0, 1), 1: slots(0, 1)}
    complete = OLD_READY | there(2, 0, 1)
    assert plan(wanted=NEW, good=OLD, ready=complete) == {2: slots(0, 1)}


def test_the_good_revision_is_healed_while_the_new_one_starts() -> None:
    shares = plan(wanted=NEW, good=OLD, ready=there(1, 0))
    assert shares == {2: slots(0, 1), 1: slots(0, 1)}


def test_a_revision_that_is_not_prepared_starts_nothing_and_takes_nothing_away() -> None:
    options = {"is_stuck": True}
    assert plan(wanted=NEW, good=None, ready=set(), **options) == {}
    assert plan(wanted=NEW, good=OLD, ready=OLD_READY, **options) == {1: slots(0, 1)}


def test_a_good_revision_whose_packages_are_gone_keeps_what_is_ready_and_starts_nothing() -> None:
    shares = plan(wanted=NEW, good=replace(OLD, may_start=False), ready=there(1, 0))
    assert shares == {2: slots(0, 1), 1: slots(0)}


def test_an_old_revision_that_was_never_good_is_not_kept() -> None:
    assert plan(wanted=NEW, good=None, ready=OLD_READY) == {2: slots(0, 1)}


def test_a_revision_that_was_given_up_leaves_the_good_one_whole() -> None:
    assert plan(wanted=NEW, good=OLD, is_stuck=True, ready=set()) == {1: slots(0, 1)}
    shares = plan(wanted=NEW, good=OLD, is_stuck=True, ready=OLD_READY | there(2, 0))
    assert shares == {1: slots(0, 1)}


def test_a_given_up_revision_keeps_its_ready_replicas_where_nothing_better_answers() -> None:
    assert plan(wanted=OLD, good=None, is_stuck=True, ready=there(1, 1)) == {1: slots(1)}
    assert plan(wanted=OLD, good=OLD, is_stuck=True, ready=there(1, 1)) == {1: slots(1)}


def test_scaling_down_drops_the_last_slots() -> None:
    shares = plan(wanted=Share(1, 1), good=Share(1, 3), ready=OLD_READY)
    assert shares == {1: slots(0)}
