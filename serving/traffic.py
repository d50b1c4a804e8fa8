"""Which replicas get which part of a serving's requests; every gateway asks here.

Parts and numbers come from the serving's row: `canary_percent` is set by hand (`canaries.set_percent`), and so is
`scale` (`scaling.scale`). Automatic rollouts would move the one and autoscaling the other through these very
services; nothing here or in the worker knows who asked.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from serving import queries
from serving.models import Replica, Serving


@dataclass(frozen=True)
class Target:
    """A replica that callers come to; `address` is host:port."""

    name: str
    revision: int
    address: str


@dataclass(frozen=True)
class Route:
    """`percent` of the requests go to these targets, whichever is least busy. The percents of a serving's routes add
    up to 100; a route without targets stands for nothing and its part goes to the others.
    """

    percent: int
    targets: tuple[Target, ...]
    is_canary: bool = False


def routes(serving: Serving) -> tuple[Route, ...]:
    """The stable route, and the canary's after it if there is one that answers. Empty: nobody does.

    A canary that failed gets nothing, and one whose stable revision is gone gets everything.
    """
    fronts = queries.ready_fronts(serving)
    canary = serving.canary.number if serving.canary else None
    stable = _targets(_stable(serving, [each for each in fronts if each.revision != canary]))
    beside = _targets(each for each in fronts if each.revision == canary and not serving.canary_failure)
    if not beside:
        return (Route(100, stable),) if stable else ()
    if not stable:
        return (Route(100, beside, is_canary=True),)
    percent = serving.canary_percent
    return Route(100 - percent, stable), Route(percent, beside, is_canary=True)


def _stable(serving: Serving, fronts: list[Replica]) -> list[Replica]:
    """During an update that brings a whole second set, only the revision that is known to be good: the other takes
    over at once when all of it is there, and never if it is not. With a surge both answer side by side.
    """
    good = [each for each in fronts if each.revision == serving.good_revision]
    return good if good and serving.surge == 0 else fronts


def _targets(replicas: Iterable[Replica]) -> tuple[Target, ...]:
    return tuple(Target(each.name, each.revision, each.address) for each in replicas)


def chooses_canary(number: int, percent: int) -> bool:
    """Whether the request of this running number belongs to the canary: of every hundred in a row exactly `percent`
    do, evenly spread.
    """
    return number * percent % 100 < percent
