"""A real engine, the base, and a lock of nothing but the model server's needs, whose image a test may remove."""

import uuid
from collections.abc import Callable, Iterator

import docker
import pytest
from docker.errors import ImageNotFound

from serving.environments import locks, service
from serving.models import Environment, Revision, Serving
from tests.engine import docker_engine, replica_image
from worker.images import build, host, wanted
from worker.images.build import Order
from worker.images.sources import Sources

__all__ = ["docker_engine", "replica_image"]

PYTHON = "3.11"


@pytest.fixture(autouse=True)
def _nothing_is_remembered() -> None:
    wanted.there.forget()


@pytest.fixture(scope="session")
def sources() -> Sources:
    return host.of_python(PYTHON)


@pytest.fixture(scope="session")
def lock(sources: Sources) -> str:
    """Of this test process alone."""
    return sources.files["image/server.txt"].decode() + f"# {uuid.uuid4().hex}\n"


@pytest.fixture(scope="session")
def order(lock: str) -> Order:
    return host.order(locks.key(PYTHON, lock), PYTHON, lock)


@pytest.fixture
def small_image(builder: docker.DockerClient, order: Order) -> str:
    """There again if the test before removed it."""
    return build.build(builder, order, lambda line: None).reference


@pytest.fixture(scope="session")
def builder(docker_engine: docker.DockerClient, order: Order) -> Iterator[docker.DockerClient]:
    """Nothing of ours is left at the engine."""
    yield docker_engine
    for name in (order.reference, build.packages_of(order)):
        forget(docker_engine, name)


def forget(client: docker.DockerClient, name: str) -> None:
    try:
        client.images.remove(name)
    except ImageNotFound:
        return


@pytest.fixture
def in_docker(create: Callable[..., Serving], lock: str) -> Revision:
    """A revision that is to run in a container with the packages of the small lock."""
    serving = create()
    serving.revisions.update(environment=service.of_lock(PYTHON, lock), deployer="docker")
    serving.refresh_from_db()
    return serving.current


@pytest.fixture
def environment(in_docker: Revision) -> Environment:
    assert in_docker.environment is not None
    return in_docker.environment
