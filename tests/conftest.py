"""A project with its people, and models to serve, for every test that asks."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from django.core.cache import cache
from django.test import Client
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis
from rest_framework.test import APIClient

from accounts import access, services
from accounts.access import Access
from accounts.models import ApiKey, Member, Project, Role, Scope, User
from models_registry import services as registry
from models_registry import storage
from models_registry.models import ModelVersion
from tests.broker import kafka

__all__ = ["kafka"]

# Examples are slow beside other tests, which proves nothing; and what decides whether a change lands tries the same
# ones each time.
hypothesis.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis.register_profile("landing", hypothesis.get_profile("ours"), derandomize=True, database=None)
hypothesis.load_profile("landing" if os.environ.get("HOPYARD_REQUIRE_ALL") else "ours")

IRIS_SCRIPT = """
class Predict:
    def predict(self, inputs):
        return [sum(row) for row in inputs]

    def classify(self, inputs):
        return ["big" if sum(row) > 10 else "small" for row in inputs]
"""


@pytest.fixture(autouse=True)
def _quick_passwords_and_plain_static_files(settings) -> None:
    """Hashing a password takes long by design, and pages need no collected files here."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }


@pytest.fixture(autouse=True)
def _forget_throttles() -> Iterator[None]:
    yield
    cache.clear()


@dataclass(frozen=True)
class People:
    """Alice owns the project, Bob is a member, Vera a viewer, Charlie a stranger with a project of his own."""

    project: Project
    alice: User
    bob: User
    vera: User
    charlie: User

    def access(self, user: User) -> Access:
        return access.of_member(Member.objects.get(project=self.project, user=user), None)


@pytest.fixture
def people(db: None) -> People:
    users = {name: User.objects.create_user(name, password=f"{name}-secret") for name in _NAMES}
    project = services.create_project(name="garden", owner=users["alice"])
    Member.objects.create(project=project, user=users["bob"], role=Role.MEMBER)
    Member.objects.create(project=project, user=users["vera"], role=Role.VIEWER)
    services.create_project(name="elsewhere", owner=users["charlie"])
    return People(project, **users)


_NAMES = ("alice", "bob", "vera", "charlie")


@pytest.fixture
def project(people: People) -> Project:
    return people.project


@pytest.fixture
def owner(people: People) -> Access:
    return people.access(people.alice)


@pytest.fixture
def browser_of() -> Callable[[User], Client]:
    def sign_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def key_of(people: People) -> Callable[..., tuple[ApiKey, str]]:
    def make(
        user: User, scopes: tuple[str, ...] = (Scope.READ, Scope.PREDICT, Scope.WRITE)
    ) -> tuple[ApiKey, str]:
        return services.create_key(access=people.access(user), name="test", scopes=scopes)

    return make


@pytest.fixture
def api(people: People, key_of: Callable[..., tuple[ApiKey, str]]) -> APIClient:
    """The REST API with Bob's key: a member, as most callers are."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"ApiKey {key_of(people.bob)[1]}")
    return client


@pytest.fixture
def export(owner: Access) -> Callable[..., ModelVersion]:
    """Register a model version from texts by path."""

    def make(name: str = "iris", files: dict[str, str] | None = None, **options: object) -> ModelVersion:
        draft = registry.start_upload(access=owner, model_name=name, **options)  # type: ignore[arg-type]
        for path, text in (files or {"predictor.py": IRIS_SCRIPT, "weights.txt": "1 2 3\n"}).items():
            registry.add_file(draft=draft, path=path, blob=storage.receive([text.encode()]))
        return registry.finalise(access=owner, draft=draft)

    return make
