"""Where replicas in containers reach the platform: the address this machine has on their network."""

import functools
import logging

from django.conf import settings

from worker.deployers import engine, networks
from worker.deployers.base import DeployerError

LOCAL = "local"

log = logging.getLogger(__name__)


def base() -> str:
    """The URL that replicas find `/replicas/…` under. Raises DeployerError."""
    return settings.CONTROL_URL or f"http://{_address()}"


def bind() -> str | None:
    """The host:port that the web has to answer on as well, beside its own; None where there is nothing to add."""
    if settings.CONTROL_URL or set(settings.DEPLOYERS) <= {LOCAL}:
        return None
    try:
        return _address()
    except DeployerError as error:
        log.warning("Replicas in containers will not reach the platform: %s", error)
        return None


def _address() -> str:
    gateway = _gateway(settings.DOCKER_URL, settings.REPLICA_NETWORK)
    return f"[{gateway}]:{settings.CONTROL_PORT}" if ":" in gateway else f"{gateway}:{settings.CONTROL_PORT}"


@functools.lru_cache(maxsize=8)
def _gateway(url: str, network: str) -> str:
    """Of the network of replicas, which is made if need be. Only an answer is remembered. Raises DeployerError."""
    with engine.errors(url):
        client = engine.client(url)
        networks.ensure(client, network, is_internal=True)
        found = networks.gateway(client, network)
    if found is None:
        reason = (
            f"The network {network} has no gateway, so containers cannot reach the platform; remove it, so that it is "
            "made anew, or set HOPYARD_CONTROL_URL."
        )
        raise DeployerError("NetworkClosed", reason)
    return found
