"""What there is to see of an update or a canary under way: replicas and calls of each revision."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from django.db.models import Count, Q

from serving.models import InferenceRecord, Replica, Serving
from serving.states import ReplicaState

FIRST_ERROR = 400


class Part(StrEnum):
    """What a revision is to its serving now."""

    CURRENT = "current"
    CANARY = "canary"
    LEAVING = "leaving"


@dataclass(frozen=True)
class Progress:
    """The living replicas of a revision by state; `wanted` of them are to be ready."""

    revision: int
    part: Part
    wanted: int
    states: dict[ReplicaState, int] = field(default_factory=dict)

    @property
    def ready(self) -> int:
        return self.states.get(ReplicaState.READY, 0)

    @property
    def starting(self) -> int:
        return self.states.get(ReplicaState.STARTING, 0)

    @property
    def stopping(self) -> int:
        return self.states.get(ReplicaState.STOPPING, 0)

    @property
    def most(self) -> int:
        """What a bar of the ready ones is measured against."""
        return max(self.wanted, sum(self.states.values()), 1)


@dataclass(frozen=True)
class Calls:
    """Recorded calls of a revision; `errors` of them were answered with 400 or more."""

    revision: int
    calls: int = 0
    errors: int = 0


def progress(serving: Serving, replicas: Iterable[Replica]) -> list[Progress]:
    """Each revision that is wanted or lives, the current one first, the canary next."""
    wanted: dict[int, tuple[Part, int]] = {serving.current.number: (Part.CURRENT, serving.wanted_total)}
    if serving.canary:
        number = serving.canary.replicas + serving.canary.own_transformers
        wanted[serving.canary.number] = (Part.CANARY, number if serving.wanted_replicas else 0)
    states: dict[int, dict[ReplicaState, int]] = {number: {} for number in wanted}
    for replica in replicas:
        if replica.state != ReplicaState.EXITED:
            of_revision = states.setdefault(replica.revision, {})
            state = ReplicaState(replica.state)
            of_revision[state] = of_revision.get(state, 0) + 1
    found = [
        Progress(number, *wanted.get(number, (Part.LEAVING, 0)), by_state)
        for number, by_state in states.items()
    ]
    return sorted(found, key=lambda each: (list(Part).index(each.part), -each.revision))


def calls_beside_canary(serving: Serving) -> list[Calls]:
    """Calls recorded since the canary was made, of it and of the current revision; empty without a canary."""
    if serving.canary is None:
        return []
    records = InferenceRecord.objects.filter(
        serving=serving, requested_at__gte=serving.canary.created_at
    ).order_by()
    counted = records.values("revision").annotate(
        calls=Count("pk"), errors=Count("pk", filter=Q(status__gte=FIRST_ERROR))
    )
    found = {each["revision"]: Calls(each["revision"], each["calls"], each["errors"]) for each in counted}
    return [found.get(number, Calls(number)) for number in (serving.current.number, serving.canary.number)]
