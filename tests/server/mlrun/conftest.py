"""The stand-in for MLRun is importable here, as it is in a server."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hopyard.server import shims

shims.install()

from hopyard.server.mocking import MockServer, mock  # noqa: E402


@pytest.fixture
def hosted() -> Iterator[Callable[..., MockServer]]:
    """`hosted(class or object, **arguments)` is a server in this process; its model is `m` unless named."""
    servers: list[MockServer] = []

    def start(target: Any, **options: Any) -> MockServer:
        servers.append(mock(target, **{"name": "m", **options}))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
