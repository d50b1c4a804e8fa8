"""A scripted server, a client of it, and nobody logged in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hopyard.client import Client, default
from tests.client.scripted import Scripted, running


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    script = Scripted()
    with running(script):
        yield script


@pytest.fixture(autouse=True)
def nobody_is_logged_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in ("URL", "API_KEY", "PROJECT"):
        monkeypatch.delenv(f"HOPYARD_{name}", raising=False)
    monkeypatch.setenv("HOPYARD_CONFIG", str(tmp_path / "home" / "config.json"))
    monkeypatch.setattr(default, "_current", None)
    yield
    if default._current:
        default._current.close()


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses the client would have made."""
    made: list[float] = []
    monkeypatch.setattr("hopyard.client.transport.sleep", made.append)
    monkeypatch.setattr("hopyard.client.waiting.sleep", made.append)
    return made


@pytest.fixture
def client(scripted: Scripted) -> Iterator[Client]:
    with Client(scripted.url, "hop_test", "demo", timeout=5) as made:
        yield made
