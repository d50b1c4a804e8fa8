"""Decides which replicas of a serving are to end and which to start. No engine."""

from collections.abc import Iterable
from dataclasses import dataclass

from worker.deployers import directories
from worker.deployers.base import Phase, ReplicaStatus, RevisionSpec, ServingSpec
from worker.deployers.directories import Place


@dataclass(frozen=True)
class Start:
    """A replica to be started."""

    share: RevisionSpec
    slot: int
    attempt: int

    @property
    def name(self) -> str:
        return directories.name_of(self.share, self.slot, self.attempt)


@dataclass(frozen=True)
class Plan:
    """The names of the replicas to end, and those to start."""

    ending: tuple[str, ...]
    starting: tuple[Start, ...]


def plan(spec: ServingSpec, replicas: Iterable[ReplicaStatus]) -> Plan:
    """What makes `replicas` those of the spec, by the rules of `base.py`.

    Attempts are counted from the containers and from the ends that the caller knows of, so that a number is not
    used again where somebody removed a container.
    """
    wanted = {(each.revision, each.component, slot): each for each in spec.revisions for slot in each.slots}
    used = set(spec.ended)
    leaving = spec.unwanted | spec.ended  # an ended one that somebody started again takes nobody's place
    unseen: set[Place] = set()
    ending: list[str] = []
    for replica in replicas:
        place = directories.place_of(replica)
        used.add(replica.name)
        if replica.phase == Phase.EXITED:
            unseen |= set() if _is_known(replica, spec) else {place}
        elif replica.phase == Phase.ALIVE and replica.name not in leaving and place in wanted:
            del wanted[place]
        elif replica.phase == Phase.ALIVE:
            ending.append(replica.name)
    starting = (
        Start(wanted[place], place[2], directories.next_attempt(used, place))
        for place in sorted(wanted.keys() - unseen)
    )
    return Plan(tuple(ending), tuple(starting))


def _is_known(ended: ReplicaStatus, spec: ServingSpec) -> bool:
    """Whether the caller has seen this end, or had asked for it."""
    return ended.name in spec.ended or (ended.exit is not None and ended.exit.was_asked)
