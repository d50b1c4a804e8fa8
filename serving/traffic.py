"""Which replicas get which part of a serving's requests; every gateway asks here."""

from dataclasses import dataclass

from serving import queries
from serving.models import Serving


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
    """The stable route, and the canary's after it if there is one that answers. Empty: nobody does."""
    ready = queries.ready_fronts(serving)
    targets = tuple(Target(each.name, each.revision, each.address) for each in ready)
    return (Route(100, targets),) if targets else ()


def chooses_canary(number: int, percent: int) -> bool:
    """Whether the request of this running number belongs to the canary: of every hundred in a row exactly `percent`
    do, evenly spread.
    """
    return number * percent % 100 < percent
