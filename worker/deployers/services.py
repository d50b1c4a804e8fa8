"""Words a replica and its hardening as a service of Docker Swarm: pure functions.

A service is one replica, and Swarm makes one task of it that it never starts again: attempts are counted, and made, by
the platform. Who it is stands in the service's labels, which no container has, so that the Docker deployer on the same
engine does not take it for its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.deployers import containers
from worker.deployers.base import ServingSpec
from worker.deployers.hardening import Hardening
from worker.deployers.networks import NOWHERE
from worker.deployers.planning import Start

TOLD_TO_END = "hopyard.told-to-end"
NO_NODE = "node.id==none-it-was-told-to-end"
"""What makes Swarm end a task and remember it: a service is asked to run where no node is. One that is scaled to zero,
or removed, loses its tasks' exits and logs.
"""

GPU = "NVIDIA-GPU"
SECOND = 1_000_000_000
RESERVED_CORES = 0.25
"""Of each core a replica may use, so much is kept free for it on its node: processors can be shared, memory cannot."""

WRITABLE_BY_ALL = 0o1777
WITHOUT_NEW_PRIVILEGES = ("setpriv", "--no-new-privs")
"""Swarm has an option for it from API 1.46 on only, so the process gives the way to more privileges up by itself."""


@dataclass(frozen=True)
class Ground:
    """Where services of a serving live: `networks` to attach to, the first being the replica's address where no port
    is published on its node, and `constraints` on the nodes.
    """

    networks: tuple[str, ...]
    is_published: bool
    constraints: tuple[str, ...] = ()


def name_of(installation: str, serving: str, replica: str) -> str:
    """Unique in the Swarm, so that of two workers that start the same attempt only one does."""
    return containers.container_name(installation, serving, replica).replace(".", "-")


def service(
    spec: ServingSpec, start: Start, *, installation: str, image: str, ground: Ground, grace_seconds: float
) -> dict[str, Any]:
    """The arguments of the client's `create_service`."""
    share = start.share
    limits = Hardening.of(share, fetches=True)
    told = containers.environment(spec, share, replica=start.name, grace_seconds=grace_seconds, fetches=True)
    ports = [{"Protocol": "tcp", "TargetPort": containers.PORT, "PublishMode": "host"}]
    return {
        "name": name_of(installation, spec.name, start.name),
        "labels": containers.labels(installation, spec, share, start.slot, start.attempt),
        "mode": {"Replicated": {"Replicas": 1}},
        "endpoint_spec": {"Mode": "dnsrr", "Ports": ports if ground.is_published else []},
        "task_template": {
            "ContainerSpec": {
                "Image": image,
                "Labels": containers.mine(installation),
                "Env": [f"{name}={value}" for name, value in told.items()],
                "StopGracePeriod": round(grace_seconds * SECOND),
                "DNSConfig": _names(limits, ground),
                **_process(limits),
            },
            "Resources": _resources(limits),
            "RestartPolicy": {"Condition": "none"},
            "Placement": {"Constraints": list(ground.constraints)},
            "Networks": [{"Target": name} for name in ground.networks],
            "LogDriver": {"Name": limits.log_driver, "Options": dict(limits.log_options)},
        },
    }


def told_to_end(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `update_service` that end a service's replica, and say so to whoever looks."""
    return {
        "name": spec["Name"],
        "labels": {**spec["Labels"], TOLD_TO_END: "true"},
        "mode": spec["Mode"],
        "endpoint_spec": spec.get("EndpointSpec"),
        "task_template": {**spec["TaskTemplate"], "Placement": {"Constraints": [NO_NODE]}},
    }


def image_of(named: str, digests: Sequence[str], own_id: str) -> str:
    """An image by its content: as its registry knows it, else as this engine does. By a name alone Swarm would look
    for it in a public registry first, where anybody may have put one of that name.
    """
    repository = named.partition("@")[0]
    if ":" in repository.rpartition("/")[2]:
        repository = repository.rpartition(":")[0]
    return next((each for each in digests if each.partition("@")[0] == repository), own_id)


def names_registry(image: str) -> bool:
    """Whether the first part of an image's name is a registry's address."""
    first, slash, _ = image.partition("/")
    return bool(slash) and ("." in first or ":" in first or first == "localhost")


def _process(limits: Hardening) -> dict[str, Any]:
    return {
        "Command": [*WITHOUT_NEW_PRIVILEGES, *containers.COMMAND],
        "Dir": containers.WORK,
        "User": limits.user,
        "StopSignal": "SIGTERM",
        "Init": limits.init,
        "ReadOnly": limits.is_root_read_only,
        "CapabilityDrop": list(limits.cap_drop),
        "Privileges": {"NoNewPrivileges": True},
        "OomScoreAdj": limits.oom_score,
        "Healthcheck": {"Test": ["NONE"]},
        "Ulimits": [_ulimit("nofile", limits.open_files), _ulimit("core", 0)],
        "Mounts": [
            _scratch(path, size)
            for path, size in {**limits.scratch, "/dev/shm": limits.shm_bytes}.items()  # noqa: S108
        ],
    }


def _names(limits: Hardening, ground: Ground) -> dict[str, Any]:
    """Where a port is published the way out is open, and the platform may be called by a name."""
    is_closed = not ground.is_published and not limits.has_egress
    return {"Nameservers": list(NOWHERE)} if is_closed else {}


def _resources(limits: Hardening) -> dict[str, Any]:
    reserved: dict[str, Any] = {
        "MemoryBytes": limits.memory_bytes,
        "NanoCPUs": round(limits.nano_cpus * RESERVED_CORES),
    }
    if limits.gpus:
        reserved["GenericResources"] = [{"DiscreteResourceSpec": {"Kind": GPU, "Value": limits.gpus}}]
    most = {"MemoryBytes": limits.memory_bytes, "NanoCPUs": limits.nano_cpus, "Pids": limits.processes}
    return {"Limits": most, "Reservations": reserved}


def _scratch(path: str, size: int) -> dict[str, Any]:
    return {"Type": "tmpfs", "Target": path, "TmpfsOptions": {"SizeBytes": size, "Mode": WRITABLE_BY_ALL}}


def _ulimit(name: str, most: int) -> dict[str, Any]:
    return {"Name": name, "Soft": most, "Hard": most}
