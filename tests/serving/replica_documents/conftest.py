"""A serving, and its replica as a container comes."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.access import Access
from models_registry.models import ModelVersion
from serving import services
from serving.models import Replica, Serving
from serving.settings import Settings
from serving.states import ReplicaState

STRANGE_HOST = "172.19.0.1:8001"


@pytest.fixture
def create(owner: Access, export: Callable[..., ModelVersion]) -> Callable[..., Serving]:
    """A serving with one ready replica."""

    def make(name: str = "iris", **options: Any) -> Serving:
        export(name)
        wanted = Settings(name=name, script=f"Models/{name}/1/predictor.py", **options)
        made, _ = services.create(access=owner, wanted=wanted)
        place = {"serving": made, "revision": 1, "slot": 0, "attempt": 1, "state": ReplicaState.READY}
        Replica.objects.create(name="r1-0-1", address="172.19.0.5:8080", **place)
        return made

    return make


@pytest.fixture
def serving(create: Callable[..., Serving]) -> Serving:
    return create()


@pytest.fixture
def replica(serving: Serving) -> Client:
    """As a container comes: with its serving's token, by an address that nobody listed."""
    return Client(
        enforce_csrf_checks=True,
        headers={"authorization": f"Bearer {serving.gateway_token}", "host": STRANGE_HOST},
        raise_request_exception=False,
    )
