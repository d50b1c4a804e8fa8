"""What a replica is told in its environment, read back as the model server reads it."""

from collections.abc import Callable

import pytest

from accounts.access import Access
from hopyard.server import config
from serving import canaries, exempting
from serving.models import Serving
from serving.states import Component
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


def test_an_old_revision_is_healed_with_what_it_was_given_and_no_more(
    create: Callable[..., Serving], owner: Access, settings
) -> None:
    settings.DEPLOYER, settings.DEPLOYERS = "docker", ["docker"]
    settings.CONTROL_URL = "http://platform:8001"
    made = create()
    exempting.set_exemptions(access=owner, serving=made, exemptions={"root-user"})
    made.refresh_from_db()
    slots = ((Component.PREDICTOR, 0),)
    shares = specs.serving_spec(made, {1: slots, 2: slots}).revisions
    assert [share.exemptions for share in shares] == [frozenset(), {"root-user"}]


def test_a_canary_on_this_machine_keeps_off_the_servings_port(
    create: Callable[..., Serving], owner: Access
) -> None:
    made = create()
    canary = canaries.begin(access=owner, serving=made, changes={"cores": 2.0}, percent=0)
    slots = ((Component.PREDICTOR, 0),)

    def joining(serving: Serving) -> list[bool]:
        return [share.joins_port for share in specs.serving_spec(serving, {1: slots, 2: slots}).revisions]

    assert joining(canary) == [True, False]
    assert joining(canaries.promote(access=owner, serving=canary)) == [True, True]
