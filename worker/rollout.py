"""Decides, without I/O, which slots of which revision live next."""

from collections.abc import Sequence
from dataclasses import dataclass

from serving.states import ReplicaState


@dataclass(frozen=True)
class Living:
    revision: int
    slot: int
    state: ReplicaState


def plan(
    *, revision: int, replicas: int, has_given_up: bool, living: Sequence[Living]
) -> dict[int, tuple[int, ...]]:
    """Slots by revision number.

    The wanted revision gets its slots; an older one keeps what is ready until the new ones all are, and for
    good if the new one was given up. A given-up revision keeps what is ready and starts nothing.
    """
    ready = {(each.revision, each.slot) for each in living if each.state == ReplicaState.READY}
    wanted = tuple(range(replicas))
    if has_given_up:
        wanted = tuple(slot for slot in wanted if (revision, slot) in ready)
    shares = {revision: wanted}
    is_complete = replicas > 0 and all((revision, slot) in ready for slot in range(replicas))
    if replicas > 0 and not is_complete:
        for number, slot in sorted(ready):
            if number != revision:
                shares[number] = (*shares.get(number, ()), slot)
    return {number: slots for number, slots in shares.items() if slots}
