"""The networks of replicas on one engine: one that leads nowhere, and one to other machines for those who may.

A container on the internal network reaches its neighbours and this host at the network's gateway, and nothing else;
the host reaches the containers by their addresses.
"""

from dataclasses import dataclass
from typing import Any

import docker
from docker.errors import APIError, NotFound

from worker.deployers import containers
from worker.deployers.base import DeployerError
from worker.deployers.engine import CONFLICT

NOWHERE = ("127.0.0.1",)
"""The name server of containers that reach nothing: Docker's own would ask the host's name servers for them."""


@dataclass(frozen=True)
class Networks:
    """Their names on the engine; installations that share an engine have networks of their own, or share these."""

    internal: str = "hopyard-replicas"
    egress: str = "hopyard-egress"


def ensure(client: docker.APIClient, name: str, *, is_internal: bool) -> None:
    """Create a network if there is none of that name; one that somebody else made is used if it is as closed."""
    found = _find(client, name) or _create(client, name, is_internal=is_internal)
    if is_internal and not found["Internal"]:
        reason = (
            f"The network {name} leads to other machines, and replicas may not reach them; remove it, so that it is "
            "made anew, or name another in HOPYARD_REPLICA_NETWORK."
        )
        raise DeployerError("NetworkOpen", reason, may_pass=True)


def join(client: docker.APIClient, container: str, name: str) -> None:
    """Put a container on a second network, unless it is there already."""
    if name not in client.inspect_container(container)["NetworkSettings"]["Networks"]:
        client.connect_container_to_network(container, name)


def gateway(client: docker.APIClient, name: str) -> str | None:
    """The address at which containers of a network reach this host."""
    found = _find(client, name)
    configs = (found or {}).get("IPAM", {}).get("Config") or []
    return next((each["Gateway"].split("/")[0] for each in configs if each.get("Gateway")), None)


def _find(client: docker.APIClient, name: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = client.inspect_network(name)
    except NotFound:
        return None
    return found


def _create(client: docker.APIClient, name: str, *, is_internal: bool) -> dict[str, Any]:
    try:
        client.create_network(
            name,
            driver="bridge",
            internal=is_internal,
            check_duplicate=True,
            labels={containers.MANAGED: "true"},
        )
    except APIError as error:
        if error.status_code != CONFLICT:  # else another worker was first
            raise
    found: dict[str, Any] = client.inspect_network(name)
    return found
