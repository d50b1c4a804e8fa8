"""Asks a deployer what there is of a serving, and keeps apart what nobody can look at now."""

import time
from dataclasses import dataclass

from django.conf import settings

from serving.models import Replica, Serving
from serving.states import ReplicaState
from worker.deployers.base import Deployer, DeployerError, ReplicaStatus
from worker.deployers.several import PartlySeen, SeveralDeployers

SECONDS_BETWEEN_ROUNDS = 60.0
_rounds: dict[int, float] = {}
"""When this process last asked every deployer about a serving, by its id."""


@dataclass(frozen=True)
class Look:
    """What the deployer said, and which of several could not look: `blind` is None if none could."""

    statuses: list[ReplicaStatus]
    blind: frozenset[str] | None = frozenset()
    reason: str = ""

    def is_blind_to(self, row: Replica) -> bool:
        return self.blind is None or row.deployer in self.blind


def look(serving: Serving, deployer: Deployer) -> Look:
    """Every replica that can be seen; a deployer that raises keeps those of the others from nobody."""
    try:
        return Look(deployer.status(serving.key))
    except PartlySeen as error:
        return Look(error.seen, error.blind, error.reason)
    except DeployerError as error:
        return Look([], None, error.reason)


def concerned(serving: Serving, deployer: Deployer) -> Deployer:
    """Those of several deployers that run something of a serving, or are to, so that one that is slow to answer
    hinders nobody else; now and then all of them, since a worker that died may have left something anywhere.
    """
    if not isinstance(deployer, SeveralDeployers) or len(deployer.deployers) == 1:
        return deployer
    now = time.monotonic()
    if now >= _rounds.get(serving.pk, float("-inf")) + SECONDS_BETWEEN_ROUNDS:
        _rounds[serving.pk] = now
        return deployer
    return deployer.only(*_named(serving))


def log_of(row: Replica, key: str, deployer: Deployer) -> list[str]:
    """What a replica wrote; nothing where nobody can look now, since its end counts all the same."""
    asked = deployer.only(row.deployer) if isinstance(deployer, SeveralDeployers) else deployer
    try:
        return asked.logs(key, row.name)
    except DeployerError:
        return []


def _named(serving: Serving) -> set[str]:
    """The deployers of what lives and of what may be started."""
    living = serving.replicas.exclude(state=ReplicaState.EXITED).values_list("deployer", flat=True)
    startable = [serving.current.pk, *([serving.canary_id] if serving.canary_id else [])]
    revisions = serving.revisions.filter(pk__in=startable) | serving.revisions.filter(
        number=serving.good_revision or 0
    )
    chosen = revisions.values_list("deployer", flat=True)
    return {*living, *(name or settings.DEPLOYER for name in chosen)}
