"""The networks of replicas in a Swarm, and which way callers take to them.

`published`: every replica has a port of its node to itself, chosen by the engine, and callers come from anywhere that
reaches the node; the serving's token is what keeps strangers from predicting. Its network is a bridge on each node,
from which one another and other machines can be reached: Swarm publishes no port on a network without a way out, and
takes no options for a bridge that would keep containers apart, so **egress is not prevented** here.

`attached`: replicas have no port but an address on an overlay without a way out, which gateway, worker and web must
be attached to as containers. Nothing but that network can be reached.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import docker
from docker.errors import APIError, NotFound

from worker.deployers import containers
from worker.deployers.base import DeployerError
from worker.deployers.engine import CONFLICT


class Way(StrEnum):
    PUBLISHED = "published"
    ATTACHED = "attached"


@dataclass(frozen=True)
class SwarmNetworks:
    """Their names in the Swarm; no network of a single engine may have one of them."""

    published: str = "hopyard-swarm"
    attached: str = "hopyard-swarm-internal"
    egress: str = "hopyard-swarm-egress"

    def of(self, way: Way, *, has_egress: bool) -> tuple[str, ...]:
        """Those that a replica is attached to, the one its callers come by first."""
        if way == Way.PUBLISHED:
            return (self.published,)
        return (self.attached, self.egress) if has_egress else (self.attached,)

    def ensure(self, client: docker.APIClient, name: str) -> None:
        """Create one if there is none of that name; one that somebody else made is used if it is as closed."""
        found = _find(client, name) or self._create(client, name)
        if found["Scope"] != "swarm" or (name == self.attached and not found["Internal"]):
            wants = "leads to other machines" if found["Scope"] == "swarm" else "is of one engine only"
            reason = (
                f"The network {name} {wants}; remove it (docker network rm {name}), so that it is made anew."
            )
            code = "NetworkOpen" if found["Scope"] == "swarm" else "NetworkMissing"
            raise DeployerError(code, reason, may_pass=True)

    def _create(self, client: docker.APIClient, name: str) -> dict[str, Any]:
        try:
            client.create_network(
                name,
                driver="bridge" if name == self.published else "overlay",
                scope="swarm",
                internal=name == self.attached,
                attachable=True,
                labels={containers.MANAGED: "true"},
            )
        except APIError as error:
            if error.status_code != CONFLICT:  # else another worker was first
                raise
        return client.inspect_network(name)  # type: ignore[no-any-return]


def _find(client: docker.APIClient, name: str) -> dict[str, Any] | None:
    try:
        return client.inspect_network(name)  # type: ignore[no-any-return]
    except NotFound:
        return None
