"""Several deployers as one: each runs the revisions that name it, and all that may know are asked what there is."""

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
        super().__init__(first.code, first.reason, may_pass=first.may_pass)
        self.seen = seen
        self.blind = frozenset(failures)


@dataclass(frozen=True)
class SeveralDeployers:
    """`deployers` by the names that revisions give them."""

    deployers: Mapping[str, Deployer]

    def only(self, *names: str) -> "SeveralDeployers":
        """The same without the others, for what is no matter of theirs; all of them if there is none of some name."""
        if not self.deployers.keys() >= set(names):
            return self
        return SeveralDeployers({name: each for name, each in self.deployers.items() if name in names})

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
        """Raises PartlySeen, once the others have removed theirs, if some deployer cannot be reached."""
        failures: dict[str, DeployerError] = {}
        for label, deployer in self.deployers.items():
            try:
                deployer.remove(name)
            except DeployerError as error:
                if error.code not in UNREACHABLE:
                    raise
                failures[label] = error
        if failures:
            raise PartlySeen([], failures)

    def logs(self, name: str, replica: str, since: datetime | None = None) -> list[str]:
        failure = None
        for deployer in self.deployers.values():
            try:
                if lines := deployer.logs(name, replica, since):
                    return lines
            except DeployerError as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return []
