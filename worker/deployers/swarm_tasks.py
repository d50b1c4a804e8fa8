"""What Swarm's services, tasks and nodes say about a replica: pure functions over the documents of its API."""

import ipaddress
import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from worker.deployers import containers
from worker.deployers.base import Exit, Phase
from worker.deployers.containers import Identity
from worker.deployers.engine_words import code_or_signal, time
from worker.deployers.services import NO_NODE, TOLD_TO_END

ENDED = {"complete", "failed", "shutdown", "rejected", "orphaned", "remove"}
TOLD_BY_SWARM = "shutdown"
TASK_COMES_WITHIN = timedelta(seconds=30)
Document = Mapping[str, Any]


@dataclass(frozen=True)
class Node:
    """A machine of the Swarm; `address` is empty where Swarm knows it by its loopback only."""

    name: str
    address: str
    is_down: bool


@dataclass(frozen=True)
class Sight:
    """A replica's service, the task that Swarm made of it, and the node that runs it, as far as there are any."""

    service: Document
    task: Document | None
    node: Node | None

    @property
    def id(self) -> str:
        return str(self.service["ID"])

    @property
    def labels(self) -> Mapping[str, str]:
        labels: Mapping[str, str] = self.service["Spec"]["Labels"]
        return labels

    @property
    def identity(self) -> Identity:
        return Identity.of(self.labels)

    @property
    def created_at(self) -> datetime:
        return time(self.service["CreatedAt"])

    @property
    def was_told_to_end(self) -> bool:
        return TOLD_TO_END in self.labels

    @property
    def state(self) -> str:
        return str(self.task["Status"]["State"]) if self.task else ""

    @property
    def container(self) -> str:
        """The id of the task's container, on its node."""
        found = (self.task or {}).get("Status", {}).get("ContainerStatus") or {}
        return str(found.get("ContainerID") or "")

    @property
    def changed_at(self) -> datetime:
        return time(self.task["Status"]["Timestamp"]) if self.task else self.created_at


def read_nodes(found: Iterable[Document]) -> dict[str, Node]:
    return {
        each["ID"]: Node(
            name=each["Description"].get("Hostname") or each["ID"],
            address=_address_of(each),
            is_down=each["Status"]["State"] == "down",
        )
        for each in found
    }


def read(service: Document, tasks: Iterable[Document], nodes: Mapping[str, Node]) -> Sight:
    """Swarm makes another task when a service is told to end, which no node takes; the replica is the one before."""
    own = [each for each in tasks if each["ServiceID"] == service["ID"] and not is_placeholder(each)]
    task = max(own, key=lambda each: str(each["CreatedAt"]), default=None)
    node = task.get("NodeID") if task else None
    return Sight(service, task, nodes.get(node, Node(node, "", is_down=True)) if node else None)


def is_placeholder(task: Document) -> bool:
    """Whether it is the one that waits for ever in the place of a task that was told to end."""
    placement = task["Spec"].get("Placement") or {}
    return NO_NODE in (placement.get("Constraints") or [])


def phase(sight: Sight, now: datetime) -> Phase:
    """A service that has no task gets one within moments, or lost it."""
    if sight.task is None:
        is_new = now - sight.created_at < TASK_COMES_WITHIN and _is_wanted(sight.service)
        return Phase.ALIVE if is_new and not sight.was_told_to_end else Phase.EXITED
    if sight.state in ENDED or (sight.node is not None and sight.node.is_down):
        return Phase.EXITED
    is_ending = sight.was_told_to_end or sight.task["DesiredState"] in ENDED
    return Phase.STOPPING if is_ending else Phase.ALIVE


def address(sight: Sight, *, network: str | None, loopback: str) -> str:
    """Where a replica listens: on the `network` its callers are on, or at the port that its node published."""
    if sight.task is None or sight.node is None:
        return ""
    if network is not None:
        return _on_network(sight.task, network)
    ports = (sight.task["Status"].get("PortStatus") or {}).get("Ports") or []
    published = next((each["PublishedPort"] for each in ports if each.get("PublishedPort")), None)
    host = sight.node.address or loopback
    return f"{_in_url(host)}:{published}" if published else ""


def waits_for(sight: Sight) -> dict[str, str] | None:
    """Why no node has taken a replica, in the form of a failure."""
    if sight.task is None or sight.state in ENDED or sight.node is not None:
        return None
    words = sight.task["Status"].get("Err")
    if not words:
        return None
    reason = (
        f"No node of the Swarm can take the replica: {words}. Ask for less memory, fewer cores or GPUs, or add a node; "
        "`docker node ls` says which there are."
    )
    return {"code": "CannotBeScheduled", "reason": reason}


def end(sight: Sight, *, said: Mapping[str, Any] | None, state: Document | None) -> Exit:
    """How a replica ended; `state` is its container's where that is on this engine."""
    if sight.task is None or sight.state not in ENDED:
        return Exit(was_asked=sight.was_told_to_end, failure=said or _gone_with(sight.node))
    was_asked = sight.was_told_to_end or sight.state == TOLD_BY_SWARM
    status = sight.task["Status"].get("ContainerStatus") or {}
    code, number = code_or_signal(status.get("ExitCode", 0)) if sight.container else (None, None)
    return Exit(
        code=code,
        signal=number,
        out_of_memory=bool(state and state["OOMKilled"]) and number == signal.SIGKILL,
        was_asked=was_asked,
        failure=said or (None if was_asked else _never_ran(sight) or _killed_elsewhere(sight, number, state)),
        at=sight.changed_at,
    )


def _gone_with(node: Node | None) -> dict[str, str] | None:
    if node is None:
        return None
    reason = f"Node {node.name} of the Swarm is down, or was removed from it, and the replica with it."
    return {"code": "NodeDown", "reason": reason}


def _never_ran(sight: Sight) -> dict[str, str] | None:
    words = str((sight.task or {}).get("Status", {}).get("Err") or "")
    name = sight.node.name if sight.node else "?"
    if "No such image" in words:
        reason = (
            f"Node {name} has not got the image and cannot pull it ({words}); name in HOPYARD_IMAGE_REGISTRY a "
            "registry that all nodes reach."
        )
        return {"code": "ImageMissing", "reason": reason}
    if words and not words.startswith("task: non-zero exit"):
        return {"code": "CouldNotStart", "reason": f"Node {name} could not start the replica: {words}."}
    return None


def _killed_elsewhere(sight: Sight, number: int | None, state: Document | None) -> dict[str, str] | None:
    """Swarm does not say what killed a container, and only its node knows."""
    if number != signal.SIGKILL or state is not None or sight.node is None:
        return None
    reason = (
        f"The replica was ended by SIGKILL on node {sight.node.name}, most likely because it needed more than its "
        "memory; give it more."
    )
    return {"code": "Killed", "reason": reason}


def _is_wanted(service: Document) -> bool:
    return bool(service["Spec"]["Mode"].get("Replicated", {}).get("Replicas"))


def _on_network(task: Document, network: str) -> str:
    for each in task.get("NetworksAttachments") or []:
        if each["Network"]["Spec"]["Name"] == network and each.get("Addresses"):
            return f"{_in_url(each['Addresses'][0].partition('/')[0])}:{containers.PORT}"
    return ""


def _address_of(node: Document) -> str:
    """A manager may know itself by 0.0.0.0, and a Swarm of one machine may have been made on its loopback."""
    manager = (node.get("ManagerStatus") or {}).get("Addr", "").rpartition(":")[0].strip("[]")
    for each in (node["Status"].get("Addr", ""), manager):
        if each and not _means_itself(each):
            return str(each)
    return ""


def _means_itself(text: str) -> bool:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return text == "localhost"
    return found.is_loopback or found.is_unspecified


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
