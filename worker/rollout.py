"""Decides, without I/O, which slots of which revision live next."""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """A revision with so many replicas."""

    revision: int
    replicas: int

    @property
    def slots(self) -> tuple[int, ...]:
        return tuple(range(self.replicas))


def plan(
    *, wanted: Share, good: Share | None, has_given_up: bool, ready: Collection[tuple[int, int]]
) -> dict[int, tuple[int, ...]]:
    """Slots by revision number; `ready` holds (revision, slot) of the replicas that are.

    The good revision, the last one that was ready in full, keeps all its slots, healed if need be, until the
    wanted one is ready in all of its own, and for good if the wanted one was given up. A given-up revision starts
    nothing; it keeps what is ready only where nothing better answers.
    """
    if wanted.replicas == 0:
        return {}
    has_other = good is not None and good.revision != wanted.revision
    if has_given_up:
        kept = tuple(slot for slot in wanted.slots if (wanted.revision, slot) in ready)
        shares = {} if has_other else {wanted.revision: kept}
    else:
        shares = {wanted.revision: wanted.slots}
    is_complete = all((wanted.revision, slot) in ready for slot in wanted.slots)
    if good is not None and has_other and (has_given_up or not is_complete):
        shares[good.revision] = good.slots
    return {revision: slots for revision, slots in shares.items() if slots}
