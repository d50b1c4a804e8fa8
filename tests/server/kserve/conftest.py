"""The stand-in for kserve is importable, and a hand-made host stands for the server."""

from collections.abc import Iterator

import pytest

from hopyard.server import shims

from .asking import Asking

shims.install()


@pytest.fixture
def asking() -> Iterator[Asking]:
    """A host to build models for, and the way to ask them."""
    made = Asking()
    yield made
    made.close()
