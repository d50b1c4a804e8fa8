"""A serving to look at, and pages as the people of the project see them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.access import Access
from accounts.models import User
from models_registry.models import ModelVersion
from serving import services
from serving.models import Replica, Serving
from serving.settings import Settings
from serving.states import ReplicaState, Status
from tests.conftest import People

SCRIPT = "Models/iris/1/predictor.py"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def version(export: Callable[..., ModelVersion]) -> ModelVersion:
    return export(metrics={"accuracy": 0.97}, description="Nearest neighbours")


@pytest.fixture
def serving(owner: Access, version: ModelVersion) -> Serving:
    made, _ = services.create(access=owner, wanted=Settings(name="Iris", script=SCRIPT))
    return made


@pytest.fixture
def running(serving: Serving, owner: Access) -> Serving:
    """As the worker leaves it once its replica is ready."""
    services.start(access=owner, serving=serving)
    Serving.objects.filter(pk=serving.pk).update(
        status=Status.RUNNING,
        condition_reason="1 of 1 replica ready",
        was_ready=True,
        changed_at=timezone.now(),
    )
    Replica.objects.create(
        serving=serving,
        name="r1-0-1",
        revision=1,
        slot=0,
        attempt=1,
        state=ReplicaState.READY,
        address="127.0.0.1:1",
        place="here",
    )
    serving.refresh_from_db()
    return serving


@dataclass(frozen=True)
class Pages:
    """One person's browser, without script unless told otherwise."""

    client: Client

    def get(self, path: str, **options: Any) -> Any:
        return self.client.get(f"/projects/garden/{path}", **options)

    def post(self, path: str, data: Mapping[str, object] | None = None, **options: Any) -> Any:
        return self.client.post(f"/projects/garden/{path}", data or {}, **options)


@pytest.fixture
def pages(people: People, browser_of: Callable[[User], Client]) -> Callable[[str], Pages]:
    return lambda name: Pages(browser_of(getattr(people, name)))


@pytest.fixture
def alice(pages: Callable[[str], Pages]) -> Pages:
    return pages("alice")


@pytest.fixture
def bob(pages: Callable[[str], Pages]) -> Pages:
    return pages("bob")


@pytest.fixture
def vera(pages: Callable[[str], Pages]) -> Pages:
    return pages("vera")
