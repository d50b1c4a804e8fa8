"""One running stack for all tests of docker-compose.yml."""

import os
from collections.abc import Iterator

import docker
import pytest

from tests.compose import standins
from tests.compose.stack import Stack, command
from tests.e2e.conftest import copy
from tests.engine import docker_engine, skip_or_fail
from tests.environment import FIRST_PORT
from tests.ports import free_port

__all__ = ["docker_engine"]


@pytest.fixture(scope="session")
def clone(docker_engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """A copy of the repository in which nothing has been done yet."""
    compose = command()
    if compose is None:
        skip_or_fail("Docker Compose is not installed; run sh tests/setup.sh")
    assert compose is not None
    project, port = f"hopyardtest{os.getpid()}", free_port()
    folder = tmp_path_factory.mktemp("compose") / "hopyard"
    copy(folder)
    url = f"http://127.0.0.1:{port}"
    values = {
        "COMPOSE_PROJECT_NAME": project,
        "HOPYARD_PUBLIC_URL": url,
        "HOPYARD_PUBLISH": str(port),
        "HOPYARD_PORTS_HOST": "127.0.0.1",
        "HOPYARD_SERVING_PORTS": f"{FIRST_PORT + 990}-{FIRST_PORT + 994}",
        "HOPYARD_REPLICA_NETWORK": f"{project}-replicas",
        "HOPYARD_EGRESS_NETWORK": f"{project}-egress",
    }
    return Stack(folder, compose, docker_engine, project, url, values)


@pytest.fixture(scope="session")
def stack(clone: Stack) -> Iterator[Stack]:
    standins.ensure(clone.engine)
    clone.prepare()
    try:
        clone.up()
        yield clone
    finally:
        clone.down()
