"""API keys: shown once, stored as an HMAC, scoped, expiring, revocable."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from accounts import keys, services
from accounts.access import Access
from accounts.models import ApiKey, AuditEntry, Role, User
from tests.conftest import People

SERVINGS = "/api/projects/garden/servings/"


def with_key(text: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"ApiKey {text}")
    return client


def test_a_key_is_shown_once_and_only_its_digest_is_kept(
    people: People, browser_of: Callable[[User], Client]
) -> None:
    made = browser_of(people.bob).post(
        "/api/projects/garden/api-keys/", {"name": "ci", "scopes": ["read"]}, content_type="application/json"
    )
    assert made.status_code == 201
    text = made.json()["key"]
    assert text.startswith(f"hop_{made.json()['id']}_")
    stored = ApiKey.objects.get()
    assert text not in str(vars(stored))
    listed = browser_of(people.bob).get("/api/projects/garden/api-keys/").json()
    assert "key" not in listed["items"][0]
    assert with_key(text).get(SERVINGS).status_code == 200


@pytest.mark.parametrize("scheme", ["ApiKey", "apikey", "Bearer"])
def test_the_usual_headers_carry_a_key(
    scheme: str, people: People, key_of: Callable[..., tuple[ApiKey, str]]
) -> None:
    _, text = key_of(people.bob)
    assert Client().get(SERVINGS, headers={"authorization": f"{scheme} {text}"}).status_code == 200
    assert Client().get(SERVINGS, headers={"x-api-key": text}).status_code == 200


@pytest.mark.parametrize(
    "mangle", [lambda text: text[:-1], lambda text: text + "x", lambda text: "hop_a_b", str.swapcase]
)
def test_a_wrong_key_is_refused_with_a_sentence(
    mangle: Callable[[str], str], people: People, key_of: Callable[..., tuple[ApiKey, str]]
) -> None:
    answer = with_key(mangle(key_of(people.bob)[1])).get(SERVINGS)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "ApiKey"
    assert answer.json()["error"]["message"] == "This API key is unknown, expired or revoked; make a new one."


def test_an_expired_key_and_a_revoked_key_are_refused(
    people: People, key_of: Callable[..., tuple[ApiKey, str]]
) -> None:
    key, text = key_of(people.bob)
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert with_key(text).get(SERVINGS).status_code == 401
    other, text = key_of(people.bob)
    services.revoke_key(access=people.access(people.bob), key_id=other.id)
    assert with_key(text).get(SERVINGS).status_code == 401


def test_a_key_dies_with_the_membership_of_its_owner(
    people: People, owner: Access, key_of: Callable[..., tuple[ApiKey, str]]
) -> None:
    _, text = key_of(people.bob)
    services.remove_member(access=owner, username="bob")
    services.set_member(access=owner, username="bob", role=Role.MEMBER)
    assert with_key(text).get(SERVINGS).status_code == 401


def test_a_smaller_role_makes_the_key_smaller(
    people: People, owner: Access, key_of: Callable[..., tuple[ApiKey, str]]
) -> None:
    _, text = key_of(people.bob)
    services.set_member(access=owner, username="bob", role=Role.VIEWER)
    assert with_key(text).post(SERVINGS, {}, format="json").status_code == 403
    assert with_key(text).get(SERVINGS).status_code == 200


def test_nobody_gives_a_key_more_than_they_have(people: People) -> None:
    with pytest.raises(services.AccountsError, match="scope write, which you do not have"):
        services.create_key(access=people.access(people.vera), name="x", scopes=["write"])


def test_a_key_manages_no_keys_but_may_end_itself(
    people: People, key_of: Callable[..., tuple[ApiKey, str]]
) -> None:
    own, text = key_of(people.bob)
    other, _ = key_of(people.bob)
    keys_url = "/api/projects/garden/api-keys/"
    assert with_key(text).post(keys_url, {"name": "x", "scopes": ["read"]}, format="json").status_code == 403
    assert with_key(text).delete(f"{keys_url}{other.id}/").status_code == 403
    assert with_key(text).delete(f"{keys_url}{own.id}/").status_code == 204
    assert with_key(text).get(SERVINGS).status_code == 401


def test_a_member_sees_and_revokes_only_their_own_keys(
    people: People, browser_of: Callable[[User], Client], key_of: Callable[..., tuple[ApiKey, str]]
) -> None:
    key, text = key_of(people.alice)
    member = browser_of(people.bob)
    assert member.get("/api/projects/garden/api-keys/").json()["count"] == 0
    assert member.delete(f"/api/projects/garden/api-keys/{key.id}/").status_code == 404
    assert with_key(text).get(SERVINGS).status_code == 200


def test_login_exchanges_a_password_for_a_key(people: People) -> None:
    said = {"username": "bob", "password": "bob-secret", "project": "garden"}
    answer = APIClient().post("/api/login/", said, format="json")
    assert answer.status_code == 201
    assert with_key(answer.json()["key"]).get(SERVINGS).status_code == 200
    wrong = APIClient().post("/api/login/", said | {"password": "guess"}, format="json")
    assert (wrong.status_code, wrong.json()["error"]["message"]) == (
        401,
        "The user name or the password is wrong.",
    )
    stranger = said | {"username": "charlie", "password": "charlie-secret"}
    assert APIClient().post("/api/login/", stranger, format="json").status_code == 403


def test_guessing_passwords_is_slowed_down(people: People) -> None:
    said = {"username": "bob", "password": "guess", "project": "garden"}
    statuses = [
        APIClient().post("/api/login/", said, format="json", HTTP_X_FORWARDED_FOR=f"10.0.0.{n}").status_code
        for n in range(12)
    ]
    assert statuses == [401] * 10 + [429] * 2


def test_every_change_of_keys_and_members_is_in_the_audit_trail(
    people: People, owner: Access, key_of: Callable[..., tuple[ApiKey, str]]
) -> None:
    key, _ = key_of(people.bob)
    services.revoke_key(access=owner, key_id=key.id)
    services.set_member(access=owner, username="vera", role=Role.MEMBER)
    services.remove_member(access=owner, username="vera")
    said = [(entry.actor, entry.action) for entry in AuditEntry.objects.filter(project=people.project)]
    assert said[:4] == [
        ("alice", "remove_member"),
        ("alice", "set_member"),
        ("alice", "revoke_key"),
        ("bob", "create_key"),
    ]


def test_the_last_owner_can_neither_leave_nor_step_down(people: People, owner: Access) -> None:
    with pytest.raises(services.AccountsError, match="only owner"):
        services.remove_member(access=owner, username="alice")
    with pytest.raises(services.AccountsError, match="only owner"):
        services.set_member(access=owner, username="alice", role=Role.MEMBER)


def test_the_pepper_follows_the_secret_key(settings) -> None:
    before = keys.pepper()
    settings.SECRET_KEY = "another"
    assert keys.pepper() != before


def test_a_key_may_have_a_limit_within_that_of_the_installation(
    people: People, browser_of: Callable[[User], Client], settings: LazySettings
) -> None:
    browser = browser_of(people.bob)
    form = {"name": "slow", "scopes": ["predict"], "days": "0", "requests_per_second": "5"}
    assert "at most 5/s" in browser.post("/projects/garden/keys/", form).text
    assert ApiKey.objects.get(name="slow").requests_per_second == 5
    settings.KEY_RATE_LIMIT = 3
    refused = browser.post("/projects/garden/keys/", form | {"name": "quick"})
    assert "at most 3 requests per second" in refused.text
    assert not ApiKey.objects.filter(name="quick").exists()
