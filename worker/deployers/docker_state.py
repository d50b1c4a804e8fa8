"""What a Docker engine says of the containers of a serving: who they are, whether they live, how they ended."""

import functools
import signal
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import docker

from worker.deployers import containers, directories, engine, output
from worker.deployers.base import Exit, Phase, ReplicaStatus
from worker.deployers.containers import Identity
from worker.deployers.engine_words import code_or_signal, time

STOPPING = ".stopping."
ENDED = {"exited", "dead"}
OF_A_SWARM = "com.docker.swarm.task.id"
REPORT_LINES = 2000


@dataclass(frozen=True)
class Container:
    """A replica's container as the engine lists it; `stopping_since` is the Unix time when it was told to end."""

    id: str
    name: str
    identity: Identity
    state: str
    labels: Mapping[str, str]
    created: int
    address: str
    stopping_since: int | None

    @classmethod
    def of(cls, listed: Mapping[str, Any], network: str) -> "Container":
        name, _, since = str(listed["Names"][0]).removeprefix("/").partition(STOPPING)
        address = (listed["NetworkSettings"]["Networks"].get(network) or {}).get("IPAddress", "")
        return cls(
            id=listed["Id"],
            name=name,
            identity=Identity.of(listed["Labels"]),
            state=listed["State"],
            labels=listed["Labels"],
            created=listed["Created"],
            address=f"{address}:{containers.PORT}" if address else "",
            stopping_since=int(since) if since.isdecimal() else None,
        )

    @property
    def phase(self) -> Phase:
        if self.state in ENDED:
            return Phase.EXITED
        return Phase.ALIVE if self.stopping_since is None else Phase.STOPPING


def found(client: docker.APIClient, labels: Mapping[str, str], network: str) -> list[Container]:
    """The containers with all of these labels, those of an older revision, slot and attempt first."""
    wanted = [f"{label}={value}" for label, value in labels.items()]
    listed = client.containers(all=True, filters={"label": wanted})
    ours = [each for each in listed if OF_A_SWARM not in each["Labels"] and each["State"] != "removing"]
    return sorted(
        (Container.of(each, network) for each in ours), key=lambda each: directories.parse(each.identity.name)
    )


def status(url: str, container: Container) -> ReplicaStatus:
    who = container.identity
    said, how = None, None
    if container.phase == Phase.EXITED:
        how = replace(end(url, container.id), was_asked=container.stopping_since is not None)
        said = how.failure
    elif container.labels.get(containers.TELLS) == containers.AS_IT_GOES:
        said = output.read_report(lines(engine.client(url), container.id, tail=REPORT_LINES))
    return ReplicaStatus(
        name=who.name,
        revision=who.revision,
        component=who.component,
        slot=who.slot,
        attempt=who.attempt,
        phase=container.phase,
        started_at=datetime.fromtimestamp(container.created, UTC),
        deployer="docker",
        place=f"container {container.id[:12]}",
        address=container.address,
        said=said,
        exit=how,
    )


@functools.lru_cache(maxsize=4096)
def end(url: str, container: str) -> Exit:
    """How a container ended, which does not change any more."""
    client = engine.client(url)
    state = client.inspect_container(container)["State"]
    code, number = code_or_signal(state["ExitCode"])
    return Exit(
        code=code,
        signal=number,
        out_of_memory=bool(state["OOMKilled"]) and number == signal.SIGKILL,
        failure=output.read_report(lines(client, container, tail=REPORT_LINES)),
        at=time(state["FinishedAt"]),
    )


def found_damage(url: str, container: Container) -> bool:
    """Whether it ended because its files were not what the manifest says."""
    if container.phase != Phase.EXITED:
        return False
    return directories.tells_of_damage(end(url, container.id).failure or {})


def lines(
    client: docker.APIClient, container: str, *, since: datetime | None = None, tail: int | None = None
) -> list[str]:
    """What it wrote, at most the last `tail` lines."""
    asked = since.timestamp() if since else None
    written = client.logs(container, timestamps=True, since=asked, tail="all" if tail is None else tail)
    return output.since(output.timed_lines(written), since)
