"""Replicas as services of a Docker Swarm, each with one task on whatever node has room for it.

Everything known about a replica is in the Swarm: its service's labels say who it is and whether it was told to end, its
task whether it lives and how it ended. A node shares no disk with the platform, so replicas fetch their files at their
start, into memory. How callers reach them, and what that means for the way out, is in `swarm_networks.py`.
"""

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from docker.errors import APIError, ImageNotFound, NotFound

from worker.deployers import (
    containers,
    directories,
    engine,
    networks,
    output,
    planning,
    services,
    swarm_engine,
    swarm_tasks,
)
from worker.deployers.base import DeployerError, Phase, ReplicaStatus, ServingSpec
from worker.deployers.hardening import Hardening
from worker.deployers.planning import Start
from worker.deployers.services import Ground
from worker.deployers.swarm_networks import SwarmNetworks, Way
from worker.deployers.swarm_tasks import Sight

SECONDS_TO_END = 30
"""Beyond the grace: Swarm takes some to send the signal, and to notice the end."""
POLL_SECONDS = 0.2
OUT_OF_SEQUENCE = "update out of sequence"
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class SwarmDeployer:
    """`url` is the engine of a manager. `way` is how callers reach replicas, `constraints` are Swarm's on the nodes
    that may run them. Of several installations on one Swarm each touches its own services only.
    """

    url: str
    installation: str
    way: Way = Way.PUBLISHED
    networks: SwarmNetworks = field(default_factory=SwarmNetworks)
    constraints: tuple[str, ...] = ()
    grace_seconds: float = 10

    @property
    def prevents_egress(self) -> bool:
        """Whether replicas without an exemption can reach nothing but the platform."""
        return self.way == Way.ATTACHED

    def apply(self, spec: ServingSpec) -> None:
        with swarm_engine.errors(self.url):
            found = self._found(spec.name)
            plan = planning.plan(spec, self._statuses(found))
            for each in found:
                if each.identity.name in plan.ending:
                    self._tell_to_end(each)
            for start in plan.starting:
                with engine.in_words(self.url, start.share.revision):
                    self._launch(spec, start)
            self._forget_old(found)

    def status(self, name: str) -> list[ReplicaStatus]:
        with swarm_engine.errors(self.url):
            return self._statuses(self._found(name))

    def remove(self, name: str) -> None:
        nothing = ServingSpec(name=name, host="", port=0, keys_file=Path())
        deadline = time.monotonic() + self.grace_seconds + SECONDS_TO_END
        while True:
            self.apply(nothing)
            if all(replica.phase == Phase.EXITED for replica in self.status(name)):
                break
            if time.monotonic() > deadline:
                reason = f"A replica of {name} does not end; look at its node (docker node ps)."
                raise DeployerError("StillRunning", reason)
            time.sleep(POLL_SECONDS)
        with swarm_engine.errors(self.url):
            for each in self._found(name):
                self._forget(each)

    def logs(self, name: str, replica: str, since: datetime | None = None) -> list[str]:
        with swarm_engine.errors(self.url):
            for each in self._found(name):
                if each.identity.name == replica:
                    lines = swarm_engine.lines(self._client, each, since=since)
                    return output.without_reports(output.since(lines, since))
        return []

    @property
    def _client(self) -> Any:
        """Its calls on services have no types."""
        return engine.client(self.url)

    def _found(self, name: str) -> list[Sight]:
        """The replicas of a serving, those of an older revision, slot and attempt first."""
        mine = [f"{label}={value}" for label, value in containers.mine(self.installation, name).items()]
        asked: Any = engine.lister(self.url)
        listed = asked.services(filters={"label": mine})
        if not listed:
            return []
        tasks = asked.tasks(filters={"service": [each["ID"] for each in listed]})
        nodes = swarm_tasks.read_nodes(asked.nodes())
        found = [swarm_tasks.read(each, tasks, nodes) for each in listed]
        return sorted(found, key=lambda each: directories.parse(each.identity.name))

    def _statuses(self, found: list[Sight]) -> list[ReplicaStatus]:
        is_published = self.way == Way.PUBLISHED
        needs_gateway = is_published and any(each.node and not each.node.address for each in found)
        loopback = networks.gateway(self._client, self.networks.published) if needs_gateway else None
        network = None if is_published else self.networks.attached
        return [
            self._status(each, swarm_tasks.address(each, network=network, loopback=loopback or LOOPBACK))
            for each in found
        ]

    def _status(self, sight: Sight, address: str) -> ReplicaStatus:
        who, phase = sight.identity, swarm_tasks.phase(sight, datetime.now(UTC))
        end = None
        said: Mapping[str, Any] | None = swarm_tasks.waits_for(sight)
        if phase == Phase.EXITED:
            task = str(sight.task["ID"]) if sight.task and sight.state in swarm_tasks.ENDED else ""
            words, state = (
                swarm_engine.last_words(self.url, sight.id, task, sight.container) if task else (None, None)
            )
            end = swarm_tasks.end(sight, said=words, state=state)
            said = end.failure
        elif sight.labels.get(containers.TELLS) == containers.AS_IT_GOES and sight.container:
            said = (
                output.read_report(swarm_engine.lines(self._client, sight, tail=swarm_engine.REPORT_LINES))
                or said
            )
        return ReplicaStatus(
            name=who.name,
            revision=who.revision,
            component=who.component,
            slot=who.slot,
            attempt=who.attempt,
            phase=phase,
            started_at=sight.created_at,
            deployer="swarm",
            place=_place(sight),
            address=address,
            said=said,
            exit=end,
        )

    def _launch(self, spec: ServingSpec, start: Start) -> None:
        has_egress = Hardening.of(start.share, fetches=True).has_egress
        attached = self.networks.of(self.way, has_egress=has_egress)
        for name in attached:
            self.networks.ensure(self._client, name)
        body = services.service(
            spec,
            start,
            installation=self.installation,
            image=self._image(start.share.image),
            ground=Ground(attached, self.way == Way.PUBLISHED, self.constraints),
            grace_seconds=self.grace_seconds,
        )
        try:
            self._client.create_service(**body)
        except APIError as error:
            if error.status_code != engine.CONFLICT:
                raise
            self._refuse_strangers(body["name"])  # else another worker was first

    def _refuse_strangers(self, name: str) -> None:
        labels = self._client.inspect_service(name)["Spec"]["Labels"] or {}
        if not containers.mine(self.installation).items() <= labels.items():
            reason = f"The Swarm has a service {name} that is not this installation's; remove or rename it."
            raise DeployerError("NameTaken", reason, may_pass=True)

    def _image(self, named: str) -> str:
        try:
            found = self._client.inspect_image(named)
        except ImageNotFound:
            if services.names_registry(named):
                return named  # each node pulls it
            raise
        return services.image_of(named, found.get("RepoDigests") or [], found["Id"])

    def _tell_to_end(self, sight: Sight) -> None:
        """Swarm sends the signal, and kills after the grace. What others changed meanwhile is kept."""
        service = sight.service
        for is_last in (False, True):
            try:
                arguments = services.told_to_end(service["Spec"])
                self._client.update_service(sight.id, service["Version"]["Index"], **arguments)
            except NotFound:
                return
            except APIError as error:
                if is_last or OUT_OF_SEQUENCE not in str(error.explanation):
                    raise
                service = self._client.inspect_service(sight.id)
            else:
                return

    def _forget_old(self, found: list[Sight]) -> None:
        now = datetime.now(UTC)
        ended = [each for each in found if swarm_tasks.phase(each, now) == Phase.EXITED]
        for each in sorted(ended, key=lambda each: each.changed_at)[: -containers.REMEMBERED]:
            self._forget(each)

    def _forget(self, sight: Sight) -> None:
        with contextlib.suppress(NotFound):
            self._client.remove_service(sight.id)


def _place(sight: Sight) -> str:
    if sight.node is None:
        return ""
    return f"container {sight.container[:12]} on {sight.node.name}" if sight.container else sight.node.name
