"""Several deployers as one: each runs the revisions that name it, and all are asked what there is."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from worker.deployers.base import Deployer, DeployerError, ReplicaStatus, ServingSpec

UNREACHABLE = frozenset({"EngineUnreachable", "NotASwarmManager"})
"""Codes of errors that say nothing of replicas, only that nobody can look after them now."""


class PartlySeen(DeployerError):
    """Some deployers could not look; `seen` is what the others saw, `blind` the names of those that saw nothing."""

    def __init__(self, seen: list[ReplicaStatus], failures: Mapping[str, DeployerError]) -> None:
        first = next(iter(failures.values()))
        super().__init__(first.code, first.reason)
        self.seen = seen
        self.blind = frozenset(failures)


@dataclass(frozen=True)
class SeveralDeployers:
    """`deployers` by the names that revisions give them."""

    deployers: Mapping[str, Deployer]

    def apply(self, spec: ServingSpec) -> None:
        """Every deployer gets its share, so that what a serving left behind at another one ends there."""
        for unknown in {share.deployer for share in spec.revisions} - self.deployers.keys():
            known = ", ".join(self.deployers)
            reason = (
                f"This installation has no deployer {unknown} (it has {known}); choose another under Edit."
            )
            raise DeployerError("DeployerMissing", reason)
        failures = []
        for name, deployer in self.deployers.items():
            share = tuple(each for each in spec.revisions if each.deployer == name)
            try:
                deployer.apply(replace(spec, revisions=share))
            except DeployerError as error:
                if share or error.code not in UNREACHABLE:  # what it was to end ends once it can be reached
                    failures.append(error)
        if failures:
            raise failures[0]

    def status(self, name: str) -> list[ReplicaStatus]:
        """Raises PartlySeen with what the others said if some deployer cannot look."""
        found: list[ReplicaStatus] = []
        failures: dict[str, DeployerError] = {}
        for label, deployer in self.deployers.items():
            try:
                found += [replace(status, deployer=label) for status in deployer.status(name)]
            except DeployerError as error:
                failures[label] = error
        if failures:
            raise PartlySeen(found, failures)
        return found

    def remove(self, name: str) -> None:
        for deployer in self.deployers.values():
            deployer.remove(name)

    def logs(self, name: str, replica: str, since: datetime | None = None) -> list[str]:
        for deployer in self.deployers.values():
            if lines := deployer.logs(name, replica, since):
                return lines
        return []
