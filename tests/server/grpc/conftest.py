"""`peer` is a gRPC connection to an echoing server; `connect(**settings)` makes more of them."""

from collections.abc import Callable, Iterator

import pytest

from tests.server.process import ServerProcess

from .peer import Peer


@pytest.fixture
def connect(echo: ServerProcess) -> Iterator[Callable[..., Peer]]:
    made: list[Peer] = []

    def make(settings: dict[int, int] | None = None) -> Peer:
        made.append(Peer(echo.address, settings))
        return made[-1]

    yield make
    for peer in made:
        peer.socket.close()


@pytest.fixture
def peer(connect: Callable[..., Peer]) -> Peer:
    return connect()
