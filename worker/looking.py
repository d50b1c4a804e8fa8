"""Asks a deployer what there is of a serving, and keeps apart what nobody can look at now."""

from dataclasses import dataclass

from serving.models import Replica, Serving
from worker.deployers.base import Deployer, DeployerError, ReplicaStatus
from worker.deployers.several import PartlySeen


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
