"""Decides, without I/O, which slots of which revision live next.

An update brings the replicas of the wanted revision beside those of the good one, the last that was ready in full, and
ends these as those have been ready for the pace. What a revision gives is counted as a part of itself: with 2 of its 3
predictors and 1 of its 2 transformers it gives half, and no plan lets the parts of the two add up to less than one
whole. So a broken revision costs nothing: where it is given up, the good one is healed back to its full number, and
what was ready of the other stays only until then. Beside them live the slots of a canary, whose number counts apart.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from serving.states import Component

Slot = tuple[Component, int]
Shares = dict[int, tuple[Slot, ...]]
"""Slots by revision number."""

Places = Collection[tuple[int, Slot]]
"""Slots with their revision's number."""


@dataclass(frozen=True)
class Share:
    """A revision with so many replicas, and transformers in replicas of their own. One that `may_start` nothing, as it
    is not prepared or was given up, keeps what it has.
    """

    revision: int
    replicas: int
    transformers: int = 0
    may_start: bool = True

    @property
    def slots(self) -> tuple[Slot, ...]:
        return tuple(
            (component, number) for component in Component for number in range(self.count(component))
        )

    @property
    def front(self) -> Component:
        """The component that callers come to."""
        return Component.TRANSFORMER if self.transformers else Component.PREDICTOR

    def count(self, component: Component) -> int:
        return self.transformers if component == Component.TRANSFORMER else self.replicas

    def part(self, there: Places) -> Fraction:
        """Which part of the revision these replicas are: that of the component of which there is least."""
        return min(
            Fraction(
                sum((self.revision, slot) in there for slot in self.slots if slot[0] == component), number
            )
            for component in Component
            if (number := self.count(component))
        )


@dataclass(frozen=True)
class Seen:
    """The replicas there are: those that live and were not told to end, those of them that are ready, and those that
    have been for the pace. `stopping` are the others, which end; `spent` are slots whose attempts are used up.
    """

    alive: Places = frozenset()
    ready: Places = frozenset()
    steady: Places = frozenset()
    stopping: Sequence[tuple[int, Slot]] = ()
    spent: Places = frozenset()


def plan(
    *, wanted: Share, good: Share | None = None, canary: Share | None = None, surge: int = 0, seen: Seen
) -> Shares:
    """What should live. An update has at most `surge` replicas more than the larger of the two revisions, of each
    component; 0: a whole second set, and all old ones leave at once when it is there.
    """
    shares = _wanted(wanted, good, canary, surge, seen) if wanted.replicas else {}
    for revision, slots in _still_asked(shares, seen).items():
        shares[revision] = (*shares.get(revision, ()), *slots)
    return {revision: tuple(sorted(set(slots))) for revision, slots in shares.items() if slots}


def _wanted(wanted: Share, good: Share | None, canary: Share | None, surge: int, seen: Seen) -> Shares:
    if good is None or good.revision == wanted.revision:
        shares = {wanted.revision: _alone(wanted, seen)}
    else:
        shares = _Update(wanted, good, canary, surge, seen).shares()
    if canary is not None and canary.revision not in shares:
        shares[canary.revision] = _alone(canary, seen)
    return shares


def _still_asked(shares: Shares, seen: Seen) -> Shares:
    """The predictors whose transformers all leave: they stay until the last of these has finished what it does."""
    living = [*seen.alive, *seen.stopping]
    leaving = {
        revision
        for revision, (component, _) in living
        if component == Component.TRANSFORMER
        and not any(slot[0] == Component.TRANSFORMER for slot in shares.get(revision, ()))
    }
    return {
        number: tuple(s for revision, s in seen.ready if revision == number and s[0] == Component.PREDICTOR)
        for number in leaving
    }


def _alone(share: Share, seen: Seen) -> tuple[Slot, ...]:
    """All of it; or, of one that starts nothing, what is ready."""
    if share.may_start:
        return share.slots
    return tuple(slot for slot in share.slots if (share.revision, slot) in seen.ready)


@dataclass(frozen=True)
class _Update:
    """From the good revision to the wanted one, or back if that is not to start."""

    wanted: Share
    good: Share
    canary: Share | None
    surge: int
    seen: Seen

    def shares(self) -> Shares:
        if self._new == 1:
            return {self.wanted.revision: self.wanted.slots}
        shares: Shares = {self.good.revision: (), self.wanted.revision: ()}
        for component in Component:
            for revision, slots in self._of(component).items():
                shares[revision] = (*shares.get(revision, ()), *slots)
        return shares

    @property
    def _new(self) -> Fraction:
        """The part that the wanted revision gives."""
        return self.wanted.part(self.seen.steady) if self.wanted.may_start else Fraction(0)

    def _of(self, component: Component) -> Shares:
        old_there = self._there(self.good, component)
        new_there = self._there(self.wanted, component) if self.wanted.may_start else []
        room = self._most(component) - self._beside(component)
        old = self._chosen(
            self.good, component, min(self._kept(component), max(len(old_there), room - len(new_there)))
        )
        more = min(self._allowed(component), room - max(len(old), len(old_there)))
        new = self._chosen(self.wanted, component, max(len(new_there), more)) if self.wanted.may_start else ()
        shares = {self.good.revision: old, self.wanted.revision: new}
        for revision, slot in self._held(component):
            shares[revision] = (*shares.get(revision, ()), slot)
        return shares

    def _most(self, component: Component) -> int:
        """How many may live."""
        both = self.wanted.count(component), self.good.count(component)
        return max(both) + self.surge if self.surge else sum(both) + len(self.seen.alive) + 1

    def _beside(self, component: Component) -> int:
        """How many live that are no part of the update, or end, and take room all the same. Those that stand in for
        what is missing take none, or nothing could ever take their place.
        """
        if not self.surge:
            return 0
        parts = {(share.revision, slot) for share in self._parts for slot in share.slots}
        parts.update(self._held(component))
        others = [place for place in self.seen.alive if place[1][0] == component and place not in parts]
        return len(others) + sum(slot[0] == component for _, slot in self.seen.stopping)

    @property
    def _parts(self) -> Iterable[Share]:
        coming = [self.wanted] if self.wanted.may_start else []
        return [self.good, *coming, *([self.canary] if self.canary else [])]

    def _kept(self, component: Component) -> int:
        """How many of the good revision stay, or are healed: what the new one does not give yet."""
        number = self.good.count(component)
        if not self.surge:
            return number
        kept = ceil(number * (1 - self._new))
        if component == self.wanted.front == self.good.front and self.wanted.may_start:
            return max(kept, number - self._count(self.wanted, component, self.seen.steady))
        return kept

    def _allowed(self, component: Component) -> int:
        """How many of the wanted revision may be there: transformers in proportion to the predictors behind them."""
        number = self.wanted.count(component)
        if component == Component.TRANSFORMER and number and self.surge:
            behind = self._count(self.wanted, Component.PREDICTOR, self.seen.steady)
            return max(1, ceil(Fraction(number * behind, self.wanted.replicas)))
        return number

    def _held(self, component: Component) -> list[tuple[int, Slot]]:
        """The ready replicas of revisions that are to go, as many as stand in for what is missing meanwhile."""
        missing = 1 - self._new - self.good.part(self.seen.ready)
        if missing <= 0:
            return []
        parts = {share.revision for share in self._parts}
        found = sorted(
            (place for place in self.seen.ready if place[1][0] == component and place[0] not in parts),
            key=lambda place: (-place[0], place[1]),
        )
        return found[: ceil(missing * max(self.good.count(component), self.wanted.count(component), 1))]

    def _there(self, share: Share, component: Component) -> list[Slot]:
        return [
            slot for slot in share.slots if slot[0] == component and (share.revision, slot) in self.seen.alive
        ]

    def _count(self, share: Share, component: Component, among: Places) -> int:
        return sum(slot[0] == component and (share.revision, slot) in among for slot in share.slots)

    def _chosen(self, share: Share, component: Component, number: int) -> tuple[Slot, ...]:
        """So many slots, the ready ones first, then those that live, then those that may be started."""

        def rank(slot: Slot) -> tuple[bool, bool, int]:
            place = (share.revision, slot)
            return (place not in self.seen.ready, place not in self.seen.alive, slot[1])

        slots = [
            slot
            for slot in share.slots
            if slot[0] == component
            and ((share.revision, slot) in self.seen.alive or self._may_start(share, slot))
        ]
        return tuple(sorted(slots, key=rank)[: max(number, 0)])

    def _may_start(self, share: Share, slot: Slot) -> bool:
        return share.may_start and (share.revision, slot) not in self.seen.spent
