"""Decides, without I/O, which slots of which revision live next."""

from collections.abc import Collection
from dataclasses import dataclass

from serving.states import Component

Slot = tuple[Component, int]
Shares = dict[int, tuple[Slot, ...]]
"""Slots by revision number."""


@dataclass(frozen=True)
class Share:
    """A revision with so many replicas, and transformers in replicas of their own."""

    revision: int
    replicas: int
    transformers: int = 0

    @property
    def slots(self) -> tuple[Slot, ...]:
        predictors = [(Component.PREDICTOR, number) for number in range(self.replicas)]
        transformers = [(Component.TRANSFORMER, number) for number in range(self.transformers)]
        return (*predictors, *transformers)


def plan(
    *,
    wanted: Share,
    good: Share | None,
    is_prepared: bool = True,
    is_good_prepared: bool = True,
    has_given_up: bool,
    ready: Collection[tuple[int, Slot]],
) -> Shares:
    """What should live; `ready` holds (revision, slot) of the replicas that are.

    The good revision, the last one that was ready in full, keeps all its slots, healed if need be, until the
    wanted one is ready in all of its own, and for good if the wanted one was given up. A given-up revision starts
    nothing; it keeps what is ready only where nothing better answers. One that is not prepared starts nothing yet, be
    it the wanted or the good one.
    """
    if wanted.replicas == 0:
        return {}
    has_other = good is not None and good.revision != wanted.revision
    if has_given_up or not is_prepared:
        kept = tuple(slot for slot in wanted.slots if (wanted.revision, slot) in ready)
        shares = {} if has_other else {wanted.revision: kept}
    else:
        shares = {wanted.revision: wanted.slots}
    is_complete = all((wanted.revision, slot) in ready for slot in wanted.slots)
    if good is not None and has_other and (has_given_up or not is_prepared or not is_complete):
        there = tuple(slot for slot in good.slots if (good.revision, slot) in ready)
        shares[good.revision] = good.slots if is_good_prepared else there
    return {revision: slots for revision, slots in shares.items() if slots}
