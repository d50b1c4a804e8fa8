import socket

import pytest

from tests.engine import docker_engine, replica_image

__all__ = ["docker_engine", "replica_image"]


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
