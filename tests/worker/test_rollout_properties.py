"""Updates from every state, in every order of events: never below capacity, bounded, and they end."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from serving.states import Component
from tests.server.fuzzing import thorough
from worker.rollout import Seen, Share, Shares, Slot, plan

Place = tuple[int, Slot]
NEW, OLD, OLDER, CANARY = 4, 3, 2, 9
LONGEST = 400  # steps


@dataclass
class Cluster:
    """Replicas that start, get ready and end as a deployer's do."""

    wanted: Share
    good: Share
    canary: Share | None
    surge: int
    starting: set[Place] = field(default_factory=set)
    ready: set[Place] = field(default_factory=set)
    steady: set[Place] = field(default_factory=set)
    stopping: list[Place] = field(default_factory=list)

    @property
    def alive(self) -> set[Place]:
        return self.starting | self.ready

    def plan(self) -> Shares:
        seen = Seen(
            alive=frozenset(self.alive),
            ready=frozenset(self.ready),
            steady=frozenset(self.steady),
            stopping=tuple(self.stopping),
        )
        return plan(wanted=self.wanted, good=self.good, canary=self.canary, surge=self.surge, seen=seen)

    def apply(self, shares: Shares) -> None:
        wanted = {(revision, slot) for revision, slots in shares.items() for slot in slots}
        self.stopping += sorted(self.alive - wanted)
        self.ready &= wanted
        self.steady &= wanted
        self.starting = wanted - self.ready

    def live(self, component: Component) -> int:
        beside = self.canary.revision if self.canary else None
        places = [*self.alive, *self.stopping]
        return sum(slot[0] == component and revision != beside for revision, slot in places)

    def capacity(self) -> Fraction:
        """How much of a whole answers, as parts of the revisions add up; at most one."""
        parts = [self.good.part(self.ready), self.wanted.part(self.ready)]
        return min(sum(parts, Fraction(0)), Fraction(1))

    def is_complete(self) -> bool:
        return self.wanted.part(self.steady) == 1


def shares(revision: int) -> st.SearchStrategy[Share]:
    return st.builds(Share, st.just(revision), st.integers(1, 5), st.sampled_from([0, 0, 0, 1, 2, 3]))


@st.composite
def clusters(draw: Callable[..., object]) -> Cluster:
    """The good revision is there in full, or in part, beside some of others in any state."""
    wanted, good, older = (draw(shares(number)) for number in (NEW, OLD, OLDER))
    canary = draw(st.none() | shares(CANARY))
    cluster = Cluster(wanted, good, canary, draw(st.integers(0, 4)))  # type: ignore[arg-type]
    for share in (wanted, good, older, *([canary] if canary else [])):
        for slot in share.slots:  # type: ignore[attr-defined]
            place = (share.revision, slot)  # type: ignore[attr-defined]
            state = draw(st.sampled_from(["none", "starting", "ready", "steady", "stopping"]))
            _put(cluster, place, str(state))
    return cluster


def _put(cluster: Cluster, place: Place, state: str) -> None:
    if state == "starting":
        cluster.starting.add(place)
    if state in ("ready", "steady"):
        cluster.ready.add(place)
    if state == "steady":
        cluster.steady.add(place)
    if state == "stopping":
        cluster.stopping.append(place)


def whole(wanted: Share, good: Share, surge: int) -> Cluster:
    """The good revision in full, and nothing else yet."""
    there = {(good.revision, slot) for slot in good.slots}
    return Cluster(wanted, good, None, surge, ready=set(there), steady=set(there))


def happens(cluster: Cluster, choice: int, *, crashes: bool = False) -> None:
    """One thing of all that could happen next; a transformer gets ready once a predictor behind it is."""
    told = [("ready", p) for p in sorted(cluster.starting) if _may_be_ready(cluster, p)]
    told += [("steady", p) for p in sorted(cluster.ready - cluster.steady)]
    told += [("ended", p) for p in sorted(cluster.stopping)]
    if crashes:
        told += [("crashed", p) for p in sorted(cluster.alive) if p[0] == NEW]
    if not told:
        return
    kind, place = told[choice % len(told)]
    if kind == "ready":
        cluster.starting.discard(place)
        cluster.ready.add(place)
    elif kind == "steady":
        cluster.steady.add(place)
    elif kind == "ended":
        cluster.stopping.remove(place)
    else:
        for where in (cluster.starting, cluster.ready, cluster.steady):
            where.discard(place)


def _may_be_ready(cluster: Cluster, place: Place) -> bool:
    revision, (component, _) = place
    behind = {p for p in cluster.ready if p[0] == revision and p[1][0] == Component.PREDICTOR}
    return component == Component.PREDICTOR or bool(behind)


choices = st.lists(st.integers(0, 1000), min_size=1, max_size=60)
surges = st.integers(0, 4)


@thorough
@given(shares(NEW), shares(OLD), surges, choices, st.booleans())
def test_an_update_never_goes_below_capacity_nor_above_its_surge(
    wanted: Share, good: Share, surge: int, order: list[int], crashes: bool
) -> None:
    cluster = whole(wanted, good, surge)
    for choice in order:
        before = cluster.capacity()
        cluster.apply(cluster.plan())
        assert cluster.capacity() >= before, "the plan itself takes nothing away that is needed"
        for component in Component:
            both = wanted.count(component), good.count(component)
            assert cluster.live(component) <= (max(both) + surge if surge else sum(both))
        if cluster.is_complete():
            return
        happens(cluster, choice, crashes=crashes)


@thorough
@given(st.integers(1, 6), surges, choices)
def test_of_one_size_as_many_replicas_are_ready_at_every_moment_as_before(
    size: int, surge: int, order: list[int]
) -> None:
    cluster = whole(Share(NEW, size), Share(OLD, size), surge)
    for choice in order:
        cluster.apply(cluster.plan())
        assert len(cluster.ready) >= size
        happens(cluster, choice)


@thorough
@given(clusters())
def test_from_every_state_an_update_ends_in_the_wanted_revision_alone(cluster: Cluster) -> None:
    expected = {NEW: tuple(sorted(cluster.wanted.slots))}
    if cluster.canary:
        expected[CANARY] = tuple(sorted(cluster.canary.slots))
    for _ in range(LONGEST):
        if cluster.is_complete():
            cluster.good = cluster.wanted
        shares_ = cluster.plan()
        cluster.apply(shares_)
        if shares_ == expected and cluster.is_complete() and not cluster.stopping:
            return
        happens(cluster, 0)
    raise AssertionError(f"It has not ended: {cluster}")


@thorough
@given(clusters())
def test_a_plan_that_was_followed_is_the_plan_again(cluster: Cluster) -> None:
    cluster.apply(cluster.plan())
    once = cluster.plan()
    cluster.apply(once)
    assert cluster.plan() == once


@thorough
@given(clusters())
def test_a_revision_that_was_given_up_ends_as_the_good_one_is_healed(cluster: Cluster) -> None:
    cluster.wanted = replace(cluster.wanted, may_start=False)
    for _ in range(LONGEST):
        before = cluster.capacity()
        cluster.apply(cluster.plan())
        assert cluster.capacity() >= before
        assert not {place for place in cluster.starting if place[0] == NEW}
        there = {place for place in cluster.alive if place[0] not in (CANARY,)}
        if not cluster.stopping and there == {(OLD, slot) for slot in cluster.good.slots} == cluster.ready - {
            place for place in cluster.ready if place[0] == CANARY
        }:
            return
        happens(cluster, 0)
    raise AssertionError(f"It has not been healed: {cluster}")


@thorough
@given(clusters())
def test_predictors_stay_until_the_last_of_their_transformers_has_ended(cluster: Cluster) -> None:
    for share in (replace(cluster.wanted, replicas=0), cluster.wanted):
        one = replace(cluster, wanted=share)
        asking = {p[0] for p in one.alive | set(one.stopping) if p[1][0] == Component.TRANSFORMER}
        behind = {p for p in one.ready if p[1][0] == Component.PREDICTOR and p[0] in asking}
        one.apply(one.plan())
        for revision in {p[0] for p in behind}:
            mine = {p for p in behind if p[0] == revision}
            assert mine & one.ready, "somebody has to answer the transformers that still ask"
