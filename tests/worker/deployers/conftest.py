import pytest

from tests import ports
from tests.engine import docker_engine, replica_image

__all__ = ["docker_engine", "replica_image"]


@pytest.fixture
def free_port() -> int:
    return ports.free_port()
