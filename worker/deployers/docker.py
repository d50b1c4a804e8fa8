"""Replicas as containers of one Docker engine.

Everything known about a replica is at the engine: its labels say who it is, its state whether it lives, and its name
whether it was told to end, and when, since a name is all of a container that may change. What it says of itself is in
its output. On this host's disk are only the folders that containers mount, to read.
"""

import contextlib
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import docker
from docker.errors import APIError, NotFound

from worker.deployers import (
    containers,
    directories,
    docker_config,
    docker_state,
    engine,
    files,
    host_paths,
    networks,
    output,
    planning,
)
from worker.deployers.base import DeployerError, Phase, ReplicaStatus, ServingSpec
from worker.deployers.docker_state import Container
from worker.deployers.hardening import Hardening
from worker.deployers.networks import Networks
from worker.deployers.planning import Start

SECONDS_TO_END = 15
NOT_RUNNING = 409


@dataclass(frozen=True)
class DockerDeployer:
    """`artifacts` and `starts` are folders of this process; `host_paths` says where they lie for the engine, where
    that cannot be seen from the mounts of our own container. With `fetches` the engine shares no disk with us, and
    containers fetch their files. Of several installations on one engine each touches its own containers only.
    """

    url: str
    installation: str
    artifacts: Path
    starts: Path
    networks: Networks = field(default_factory=Networks)
    host_paths: Mapping[str, str] = field(default_factory=dict)
    fetches: bool = False
    grace_seconds: float = 10

    def apply(self, spec: ServingSpec) -> None:
        with engine.errors(self.url):
            found = self._found(spec.name)
            plan = planning.plan(spec, [docker_state.status(self.url, each) for each in found])
            for each in found:
                if each.identity.name in plan.ending:
                    self._tell_to_end(each)
                elif each.phase == Phase.STOPPING:
                    self._end_if_late(each)
                elif each.state == "created":  # by a worker that was ended before it could start it
                    self._start(each.id, wants_egress=self._wants_egress(spec, each))
            for start in plan.starting:
                with engine.in_words(self.url, start.share.revision):
                    self._launch(spec, start, found)
            self._forget_old(spec.name)

    def status(self, name: str) -> list[ReplicaStatus]:
        with engine.errors(self.url):
            return [docker_state.status(self.url, each) for each in self._found(name)]

    def remove(self, name: str) -> None:
        nothing = ServingSpec(name=name, host="", port=0, keys_file=Path())
        deadline = time.monotonic() + self.grace_seconds + SECONDS_TO_END
        self.apply(nothing)
        while any(replica.phase != Phase.EXITED for replica in self.status(name)):
            if time.monotonic() > deadline:
                raise DeployerError(
                    "StillRunning", f"A container of {name} does not end; look at the engine."
                )
            time.sleep(0.1)
            self.apply(nothing)
        with engine.errors(self.url):
            for each in self._found(name):
                self._forget(name, each)
        shutil.rmtree(self.starts / name, ignore_errors=True)

    def logs(self, name: str, replica: str, since: datetime | None = None) -> list[str]:
        with engine.errors(self.url):
            for each in self._found(name):
                if each.identity.name == replica:
                    lines = docker_state.lines(self._client, each.id, since=since)
                    return output.without_reports(lines)
        return []

    @property
    def _client(self) -> docker.APIClient:
        return engine.client(self.url)

    def _found(self, name: str) -> list[Container]:
        labels = containers.mine(self.installation, name)
        return docker_state.found(engine.lister(self.url), labels, self.networks.internal)

    def _launch(self, spec: ServingSpec, start: Start, found: list[Container]) -> None:
        networks.ensure(self._client, self.networks.internal, is_internal=True)
        limits = Hardening.of(start.share, fetches=self.fetches)
        name = containers.container_name(self.installation, spec.name, start.name)
        told = containers.environment(
            spec, start.share, replica=start.name, grace_seconds=self.grace_seconds, fetches=self.fetches
        )
        body = docker_config.container(
            image=start.share.image,
            hostname=start.name,
            environment=told,
            labels=containers.labels(self.installation, spec, start.share, start.slot, start.attempt),
            limits=limits,
            mounts={} if self.fetches else self._mounts(spec, start, found),
            network=self.networks.internal,
        )
        try:
            made = self._client.create_container_from_config(body, name)["Id"]  # type: ignore[no-untyped-call]
        except APIError as error:
            if error.status_code != engine.CONFLICT or not self._is_ours(name):
                raise
            return  # another worker was first
        self._start(made, wants_egress=limits.has_egress)

    def _mounts(self, spec: ServingSpec, start: Start, found: list[Container]) -> dict[str, str]:
        share = start.share
        place = (share.revision, share.component, start.slot)
        before = [each for each in found if directories.parse(each.identity.name)[:3] == place]
        is_doubted = bool(before) and docker_state.found_damage(self.url, before[-1])
        folder = self.starts / spec.name / start.name
        try:
            artifact = files.lay_out(self.artifacts, share.artifact, share.files, is_doubted=is_doubted)
            shutil.rmtree(folder, ignore_errors=True)
            (folder / "scripts").mkdir(parents=True)
            (folder / "manifest.json").write_bytes(share.manifest)
            for script in containers.scripts_beside(share):
                files.copy_into(folder / "scripts", replace(script, path=Path(script.path).name))
            files.open_to_readers(artifact)
            files.open_to_readers(folder)
        except OSError as error:
            raise DeployerError(
                "CouldNotStart", f"This machine could not lay out the replica: {error}"
            ) from error
        known = self.host_paths or host_paths.own_mounts(self._client)
        return {
            containers.ARTIFACT: host_paths.on_host(artifact, known),
            containers.START: host_paths.on_host(folder, known),
        }

    def _start(self, container: str, *, wants_egress: bool) -> None:
        """Start it; a container that the engine cannot start never was."""
        try:
            if wants_egress:
                networks.ensure(self._client, self.networks.egress, is_internal=False)
                networks.join(self._client, container, self.networks.egress)
            self._client.start(container)
        except APIError:
            with contextlib.suppress(APIError):
                self._client.remove_container(container, v=True, force=True)
            raise

    def _tell_to_end(self, found: Container) -> None:
        """Name it as one that was told to end, then tell it; one that a worker only named is killed when it is late."""
        if found.state == "created":
            self._client.remove_container(found.id, v=True, force=True)
            return
        self._client.rename(found.id, f"{found.name}{docker_state.STOPPING}{int(time.time())}")
        self._signal(found, signal.SIGTERM)

    def _end_if_late(self, found: Container) -> None:
        if found.stopping_since is not None and time.time() > found.stopping_since + self.grace_seconds:
            self._signal(found, signal.SIGKILL)

    def _signal(self, found: Container, number: signal.Signals) -> None:
        """A paused container would not get the signal."""
        with _unless_it_ended():
            if found.state == "paused":
                self._client.unpause(found.id)
        with _unless_it_ended():
            self._client.kill(found.id, number.name)

    def _forget_old(self, name: str) -> None:
        ended = [each for each in self._found(name) if each.phase == Phase.EXITED]
        for each in sorted(ended, key=lambda each: each.created)[: -containers.REMEMBERED]:
            self._forget(name, each)

    def _forget(self, name: str, found: Container) -> None:
        """Remove what is left of a replica, but remember it if it found its files damaged."""
        if docker_state.found_damage(self.url, found):
            files.suspicion(self.artifacts, found.labels[containers.ARTIFACT_LABEL]).touch()
        with contextlib.suppress(NotFound):
            self._client.remove_container(found.id, v=True, force=True)
        shutil.rmtree(self.starts / name / found.identity.name, ignore_errors=True)

    def _is_ours(self, name: str) -> bool:
        labels = self._client.inspect_container(name)["Config"]["Labels"] or {}
        return containers.mine(self.installation).items() <= labels.items()

    @staticmethod
    def _wants_egress(spec: ServingSpec, found: Container) -> bool:
        shares = (each for each in spec.revisions if each.revision == found.identity.revision)
        return any(Hardening.of(each, fetches=False).has_egress for each in shares)


@contextlib.contextmanager
def _unless_it_ended() -> Iterator[None]:
    """What ended meanwhile, or was taken away, needs no telling."""
    try:
        yield
    except NotFound:
        pass
    except APIError as error:
        if error.status_code != NOT_RUNNING:
            raise
