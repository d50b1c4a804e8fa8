"""Signing in, projects, members, keys and the audit trail."""

import pytest
from django.test import Client

from accounts.models import ApiKey, Member, Project, Role
from tests.conftest import People
from tests.pages.conftest import HTMX, Pages


def test_signing_in_leads_to_the_servings_of_the_first_project(people: People) -> None:
    client = Client()
    response = client.post("/sign-in/", {"username": "bob", "password": "bob-secret"}, follow=True)
    assert response.redirect_chain[-1][0] == "/projects/garden/servings/"
    assert client.post("/sign-out/")["Location"] == "/sign-in/"


def test_a_wrong_password_says_so_and_guessing_is_slowed_down(people: People) -> None:
    client = Client()
    for _ in range(10):
        response = client.post("/sign-in/", {"username": "bob", "password": "wrong"})
        assert b"Please enter a correct" in response.content
    response = client.post("/sign-in/", {"username": "bob", "password": "bob-secret"})
    assert b"wait a minute" in response.content
    assert client.post("/sign-in/", {"username": "vera", "password": "vera-secret"}).status_code == 302


def test_a_poll_after_the_session_has_ended_sends_the_whole_page_to_sign_in(people: People) -> None:
    response = Client().get("/sign-in/?next=/projects/garden/servings/", headers=HTMX)
    assert response["HX-Redirect"] == "/sign-in/?next=/projects/garden/servings/"


def test_a_person_without_a_project_is_asked_to_create_one(people: People, alice: Pages) -> None:
    Member.objects.filter(user=people.bob).delete()
    client = Client()
    client.force_login(people.bob)
    response = client.get("/", follow=True)
    assert b"You are in no project yet" in response.content
    response = client.post("/projects/", {"name": "orchard"}, follow=True)
    assert response.redirect_chain == [("/projects/orchard/servings/", 302)]
    assert Member.objects.get(user=people.bob).role == Role.OWNER


@pytest.mark.parametrize("name", ["Garden", "two words", ""])
def test_a_project_name_that_will_not_do_comes_back_with_the_reason(alice: Pages, name: str) -> None:
    response = alice.client.post("/projects/", {"name": name, "description": "kept"})
    assert response.status_code == 400
    assert b'class="errorlist"' in response.content
    assert b"kept" in response.content
    assert Project.objects.count() == 2


def test_an_owner_adds_changes_and_removes_a_member(people: People, alice: Pages) -> None:
    alice.post("members/", {"username": "charlie", "role": "viewer"})
    alice.post("members/", {"username": "charlie", "role": "member"})
    assert Member.objects.get(project=people.project, user=people.charlie).role == Role.MEMBER
    assert b"Remove charlie" in alice.get("members/charlie/remove/").content
    alice.post("members/charlie/remove/")
    assert not Member.objects.filter(project=people.project, user=people.charlie).exists()


def test_the_last_owner_stays(people: People, alice: Pages) -> None:
    response = alice.post("members/", {"username": "alice", "role": "member"})
    assert b"only owner" in response.content
    response = alice.post("members/alice/remove/", follow=True)
    assert b"only owner" in response.content


def test_an_unknown_member_is_an_error_beside_the_name(alice: Pages) -> None:
    response = alice.post("members/", {"username": "dora", "role": "member"})
    assert response.status_code == 400
    assert b"There is no user dora" in response.content


def test_a_new_key_is_shown_once_and_never_stored_by_a_cache(people: People, bob: Pages) -> None:
    response = bob.post("keys/", {"name": "nightly", "scopes": ["read", "predict"], "days": "30"})
    key = ApiKey.objects.get()
    assert f"hop_{key.id}_".encode() in response.content
    assert "no-store" in response["Cache-Control"]
    assert key.expires_at is not None
    later = bob.get("keys/").content
    assert f"hop_{key.id}".encode() in later
    assert f"hop_{key.id}_".encode() not in later


def test_a_viewer_cannot_give_a_key_what_they_lack(vera: Pages) -> None:
    response = vera.post("keys/", {"name": "x", "scopes": ["write"], "days": "30"})
    assert response.status_code == 400
    assert not ApiKey.objects.exists()


def test_a_key_is_revoked_after_a_question(people: People, alice: Pages, bob: Pages, vera: Pages) -> None:
    bob.post("keys/", {"name": "nightly", "scopes": ["read"], "days": "0"})
    key = ApiKey.objects.get()
    assert vera.get(f"keys/{key.id}/revoke/").status_code == 404
    assert b"nightly" in alice.get(f"keys/{key.id}/revoke/").content
    bob.post(f"keys/{key.id}/revoke/")
    key.refresh_from_db()
    assert not key.is_usable
    assert b"revoked" in bob.get("keys/").content


def test_the_audit_trail_names_who_did_what(alice: Pages) -> None:
    alice.post("members/", {"username": "charlie", "role": "viewer"})
    content = alice.get("audit/").content
    assert b"set_member" in content
    assert b"role: viewer" in content
