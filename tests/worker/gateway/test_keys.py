"""Whose key it is that lets a request through, whatever else it carries and however old its connection is."""

import contextlib
from collections.abc import Callable

import httpx
import pytest

from accounts import access, services
from accounts.models import ApiKey, Member, Scope
from tests.conftest import People
from tests.waiting import eventually
from tests.worker.gateway.conftest import Field, HAProxy
from worker import tasks
from worker.gateway import publishing
from worker.gateway.runtime import Away, Runtime

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/inference/garden/iris/v1/models/iris:predict"


@pytest.fixture
def good(people: People, key_of: Callable[..., tuple[ApiKey, str]]) -> tuple[ApiKey, str]:
    return key_of(people.bob)


@pytest.fixture
def stranger(people: People) -> str:
    """Charlie's key, to a project of his own."""
    member = Member.objects.get(user=people.charlie)
    return services.create_key(access=access.of_member(member, None), name="x", scopes=[Scope.PREDICT])[1]


@pytest.fixture
def post(
    started: HAProxy, plant: Callable[..., Field], good: tuple[ApiKey, str], stranger: str
) -> Callable[..., int]:
    plant("r1-0-1")
    publishing.publish_keys()

    def send(**headers: str) -> int:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.post(started.url + URL, content=b"{}", headers=given, trust_env=False).status_code

    return send


def test_what_one_header_says_is_not_believed_of_the_key_in_another(
    post: Callable[..., int], good: tuple[ApiKey, str], stranger: str
) -> None:
    key, text = good
    assert post(Authorization=f"ApiKey {text}") == 200
    assert post(X_API_Key=text) == 200
    assert post(X_API_Key=stranger) == 404
    assert post(Authorization=f"Bearer {stranger}") == 404
    for claim in (f"x_{key.pk}_y", f"hop_{key.pk}_y", f"Basic x_{key.pk}_y"):
        assert post(Authorization=claim, X_API_Key=stranger) == 404
    for claim in (f"x_{key.pk}_y", f"hop_{key.pk}_y"):
        assert post(Authorization=f"Bearer {stranger}", X_API_Key=claim) == 404
        assert post(Authorization=claim) == 401
        assert post(X_API_Key=claim) == 401
        assert post(Authorization=f"Bearer {claim}", X_API_Key=stranger) == 401


def _formers(started: HAProxy) -> list[Runtime]:
    """None while the master starts itself anew."""
    with contextlib.suppress(Away):
        return started.runtime.formers()
    return []


def test_a_key_revoked_after_a_reload_is_refused_on_connections_from_before(
    post: Callable[..., int],
    good: tuple[ApiKey, str],
    people: People,
    started: HAProxy,
    plant: Callable[..., Field],
) -> None:
    key, text = good
    headers = {"Authorization": f"ApiKey {text}"}
    with httpx.Client(headers=headers, trust_env=False) as old, httpx.Client(trust_env=False) as new:
        assert old.post(started.url + URL, content=b"{}").status_code == 200
        before = started.workers()
        started.runtime.reload(started.runtime.structure())
        eventually(lambda: started.workers() != before, what="a new worker")
        eventually(lambda: _formers(started), what="the old worker")
        services.revoke_key(access=people.access(people.alice), key_id=key.pk)
        tasks.publish_keys(people.project.pk)
        assert old.post(started.url + URL, content=b"{}").status_code == 401
        assert new.post(started.url + URL, content=b"{}", headers=headers).status_code == 401
