"""The deployers of this installation, made from its settings."""

import contextlib
import functools
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from worker.deployers.base import Deployer
from worker.deployers.docker import DockerDeployer
from worker.deployers.local import LocalDeployer
from worker.deployers.networks import Networks
from worker.deployers.several import SeveralDeployers
from worker.deployers.swarm import SwarmDeployer
from worker.deployers.swarm_networks import Way


def deployer() -> Deployer:
    """Deployers have no memory, so a new one each time is as good as the last."""
    return SeveralDeployers({name: _made(name) for name in settings.DEPLOYERS})


@functools.cache
def installation() -> str:
    """What tells this installation's containers from those of another one on the same engine: made up once, and kept
    with the data.
    """
    path: Path = settings.DATA_DIR / "installation"
    with contextlib.suppress(FileExistsError):
        draft = path.with_name(f".installation-{os.getpid()}-{secrets.token_hex(4)}")
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(secrets.token_hex(8))
        try:
            os.link(draft, path)  # whole, and only if nobody else was first
        finally:
            draft.unlink()
    return path.read_text().strip()


def _made(name: str) -> Deployer:
    if name not in _MAKERS:
        known = ", ".join(_MAKERS)
        raise ImproperlyConfigured(f"HOPYARD_DEPLOYER names {name!r}; this version knows {known}.")
    return _MAKERS[name]()


def _local() -> Deployer:
    return LocalDeployer(
        root=settings.REPLICA_DIR,
        artifacts=settings.ARTIFACT_DIR,
        log_dir=settings.LOG_DIR,
        grace_seconds=settings.STOP_GRACE_SECONDS,
    )


def _docker() -> Deployer:
    return DockerDeployer(
        url=settings.DOCKER_URL,
        installation=installation(),
        artifacts=settings.ARTIFACT_DIR,
        starts=settings.START_DIR,
        networks=Networks(settings.REPLICA_NETWORK, settings.EGRESS_NETWORK),
        host_paths=settings.HOST_PATHS,
        fetches=settings.DOCKER_FETCHES,
        grace_seconds=settings.STOP_GRACE_SECONDS,
    )


def _swarm() -> Deployer:
    return SwarmDeployer(
        url=settings.DOCKER_URL,
        installation=installation(),
        way=Way(settings.SWARM_NETWORK),
        constraints=tuple(settings.SWARM_CONSTRAINTS),
        grace_seconds=settings.STOP_GRACE_SECONDS,
    )


_MAKERS: dict[str, Callable[[], Deployer]] = {"local": _local, "docker": _docker, "swarm": _swarm}
