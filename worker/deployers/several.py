"""Several deployers as one: each runs the revisions that name it, and all are asked what there is."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from worker.deployers.base import Deployer, DeployerError, ReplicaStatus, ServingSpec


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
        for name, deployer in self.deployers.items():
            deployer.apply(replace(spec, revisions=tuple(s for s in spec.revisions if s.deployer == name)))

    def status(self, name: str) -> list[ReplicaStatus]:
        return [
            replace(status, deployer=label)
            for label, deployer in self.deployers.items()
            for status in deployer.status(name)
        ]

    def remove(self, name: str) -> None:
        for deployer in self.deployers.values():
            deployer.remove(name)

    def logs(self, name: str, replica: str, since: datetime | None = None) -> list[str]:
        for deployer in self.deployers.values():
            if lines := deployer.logs(name, replica, since):
                return lines
        return []
