"""`ship(**settings)` starts a shipper; settings are fields of `Config`."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .shipper import Shipper


@pytest.fixture
def ship(tmp_path: Path) -> Iterator[Callable[..., Shipper]]:
    started: list[Shipper] = []

    def start(**settings: object) -> Shipper:
        started.append(Shipper(tmp_path, **settings))
        return started[-1]

    yield start
    for shipper in started:
        shipper.close()
