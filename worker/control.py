"""Where replicas in containers reach the platform: the address this machine has on their network."""

import logging
import socket

from django.conf import settings

from worker.deployers import engine, networks
from worker.deployers.base import DeployerError
from worker.remembered import Remembered

LOCAL = "local"
gateways: Remembered[str] = Remembered(seconds=30)
"""Those of networks: a network that was removed and made anew may have another."""

log = logging.getLogger(__name__)


def base() -> str:
    """The URL that replicas find `/replicas/…` under. Raises DeployerError."""
    return settings.CONTROL_URL or f"http://{_address()}"


def bind() -> str | None:
    """The host:port that the web has to answer on as well, beside its own; None where there is nothing to add."""
    if not is_needed():
        return None
    try:
        return _address()
    except DeployerError as error:
        log.warning("Replicas in containers will not reach the platform until its engine answers: %s", error)
        return None


def is_needed() -> bool:
    """Whether replicas may come to an address that is found out, and not given."""
    return not settings.CONTROL_URL and not set(settings.DEPLOYERS) <= {LOCAL}


def moved(from_: str | None) -> str | None:
    """Where the web has to listen from now, if it is elsewhere and can be had; None where nobody can say."""
    if not is_needed():
        return None
    try:
        found = _address()
    except DeployerError:
        return None
    return found if found != from_ and _can_be_had(found) else None


def _can_be_had(bind: str) -> bool:
    host, _, port = bind.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host.strip("[]"), int(port)))
    except OSError:
        return False
    return True


def _address() -> str:
    gateway = _gateway(settings.DOCKER_URL, settings.REPLICA_NETWORK)
    return f"[{gateway}]:{settings.CONTROL_PORT}" if ":" in gateway else f"{gateway}:{settings.CONTROL_PORT}"


def _gateway(url: str, network: str) -> str:
    """Of the network of replicas, which is made if need be. Only an answer is remembered. Raises DeployerError."""
    if known := gateways.get((url, network)):
        return known
    with engine.errors(url):
        client = engine.lister(url)
        networks.ensure(client, network, is_internal=True)
        found = networks.gateway(client, network)
    if found is None:
        reason = (
            f"The network {network} has no gateway, so containers cannot reach the platform; remove it, so that it is "
            "made anew, or set HOPYARD_CONTROL_URL."
        )
        raise DeployerError("NetworkClosed", reason, may_pass=True)
    return gateways.put((url, network), found)
