"""What a replica is told in its environment, read back as the model server reads it."""

from collections.abc import Callable

import pytest

from hopyard.server import config
from serving.models import Serving
from worker import specs


def read(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> config.Config:
    told = specs.environment(serving, serving.current) | {"HOPYARD_SCRIPT": "predictor.py"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    return config.read([])


def test_the_model_server_is_told_how_to_predict(
    create: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create(
        batching="on", max_batch_size=16, max_latency_ms=250, max_concurrency=4, class_name="Flowers"
    )
    seen = read(made, monkeypatch)
    assert (seen.batching, seen.max_batch_size, seen.max_latency) == ("on", 16, 0.25)
    assert (seen.max_concurrency, seen.class_name) == (4, "Flowers")


def test_left_alone_it_decides_for_itself(
    create: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = read(create(), monkeypatch)
    assert (seen.batching, seen.max_latency, seen.max_concurrency) == ("auto", 0, 1)
    assert seen.class_name == ""
