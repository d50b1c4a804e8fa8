"""What is enforced where replicas run, in plain words: limits, and what an exemption from the hardening opens."""

from collections.abc import Collection
from dataclasses import dataclass

from django.conf import settings as platform

from serving.models import Deployer, Exemption, Revision
from serving.states import Component

LIMITS = {
    Deployer.LOCAL: "Memory is enforced: a process that needs more is ended. Cores are not enforced, they only set "
    "the number of threads; GPUs are not set apart.",
    Deployer.DOCKER: "Cores, memory and GPUs are enforced by the Docker engine; a container that needs more memory "
    "is ended.",
    Deployer.SWARM: "Cores, memory and GPUs are set aside on a node and enforced there; a container that needs more "
    "memory is ended.",
}
OPENS = {
    Exemption.EGRESS: "Its containers reach other machines and the internet: what the model sees can leave this "
    "network, and what runs in them can be steered from outside. By default they reach the platform only.",
    Exemption.WRITABLE_ROOT: "Its containers may change every file of their own system, the packages among them. By "
    "default all but a few small folders is read-only.",
    Exemption.ROOT_USER: "The script runs as root of its container: a hole in the kernel or the engine is then one "
    "step from the whole machine. By default it is a user without any rights.",
}


CANNOT_PREVENT = (
    "This Swarm publishes the ports of its containers, and on such a network they reach other machines with this "
    "exemption or without it."
)


@dataclass(frozen=True)
class Door:
    """An exemption as the form shows it."""

    value: str
    label: str
    opens: str
    is_open: bool


def deployer_of(revision: Revision) -> str:
    """Which deployer runs it, the installation's own if it names none."""
    return revision.deployer or platform.DEPLOYER


def place(revision: Revision) -> str:
    """Where its replicas run."""
    name = deployer_of(revision)
    return Deployer(name).label if name in Deployer.values else name


def limits(revision: Revision) -> str:
    """What is enforced there."""
    name = deployer_of(revision)
    return LIMITS[Deployer(name)] if name in Deployer.values else ""


def is_contained(revision: Revision) -> bool:
    """Whether its replicas are containers, which alone are hardened."""
    return deployer_of(revision) != Deployer.LOCAL


def resources(revision: Revision, component: str) -> str:
    """What each replica of a component may use."""
    if component == Component.TRANSFORMER:
        return _resources(revision.transformer_cores, revision.transformer_memory_mb)
    return _resources(revision.cores, revision.memory_mb, revision.gpus)


def doors(exemptions: Collection[str]) -> list[Door]:
    return [Door(each.value, each.label, OPENS[each], each.value in exemptions) for each in Exemption]


def caveat(revision: Revision) -> str:
    """What the hardening cannot keep containers from where they run; empty if nothing."""
    is_open = deployer_of(revision) == Deployer.SWARM and platform.SWARM_NETWORK == "published"
    return CANNOT_PREVENT if is_open else ""


def _resources(cores: float, memory_mb: int, gpus: int = 0) -> str:
    parts = [f"{cores:g} core{'' if cores == 1 else 's'}", f"{memory_mb} MB"]
    return ", ".join([*parts, f"{gpus} GPU{'' if gpus == 1 else 's'}"] if gpus else parts)
