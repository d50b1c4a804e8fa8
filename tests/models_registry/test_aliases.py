"""Aliases over REST: set, moved, read through, followed, removed, and who may do it."""

from collections.abc import Callable

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts import work
from accounts.access import Access
from accounts.models import AuditEntry, User
from models_registry import services
from models_registry.models import Alias, ModelVersion
from serving import services as serving_services
from serving.models import Serving
from serving.settings import Settings
from tests.conftest import People

P = "/api/projects/garden/models/iris"


@pytest.fixture
def three(export: Callable[..., ModelVersion]) -> list[ModelVersion]:
    return [export(metrics={"accuracy": accuracy}) for accuracy in (0.5, 0.9, 0.7)]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What the worker is asked for."""
    made: list[tuple[object, ...]] = []
    monkeypatch.setattr(work, "_send", lambda task, args: made.append((task, *args)))
    return made


def put(api: APIClient, name: str, version: object) -> object:
    return api.put(f"{P}/aliases/{name}/", {"version": version}, format="json")


def test_an_alias_stands_for_a_version_until_it_is_moved(api: APIClient, three: list[ModelVersion]) -> None:
    made = put(api, "champion", 2)
    assert (made.status_code, made.json()["version"], made.json()["set_by"]) == (201, 2, "bob")
    assert api.get(f"{P}/versions/champion/").json()["version"] == 2
    moved = put(api, "champion", 3)
    assert (moved.status_code, moved.json()["version"]) == (200, 3)
    assert api.get(f"{P}/versions/3/").json()["aliases"] == ["champion"]
    assert [alias["version"] for alias in api.get(f"{P}/").json()["aliases"]] == [3]
    assert Alias.objects.count() == 1


def test_a_version_and_its_files_are_read_by_alias_and_by_latest(
    api: APIClient, three: list[ModelVersion]
) -> None:
    put(api, "staging", 1)
    assert api.get(f"{P}/versions/staging/files/weights.txt").getvalue() == b"1 2 3\n"
    assert api.get(f"{P}/versions/latest/").json()["version"] == 3
    missing = api.get(f"{P}/versions/nobody/")
    assert missing.status_code == 404
    assert "its aliases: staging" in missing.json()["error"]["message"]
    assert api.delete(f"{P}/versions/staging/").status_code == 405


@pytest.mark.parametrize("name", ["latest", "Champion", "1", "2nd", "-x", "_x", "a" * 51])
def test_a_bad_alias_is_refused_with_the_rule(name: str, api: APIClient, three: list[ModelVersion]) -> None:
    answer = put(api, name, 1)
    assert answer.status_code == 400
    assert "begins with a small letter" in answer.json()["error"]["message"]
    assert not Alias.objects.exists()


@pytest.mark.parametrize(("version", "status"), [(9, 404), (0, 400), ("x", 400), (None, 400), (10**12, 404)])
def test_a_version_that_is_not_there_is_refused(
    version: object, status: int, api: APIClient, three: list[ModelVersion]
) -> None:
    assert put(api, "champion", version).status_code == status
    assert not Alias.objects.exists()


def test_moving_is_audited_and_asks_the_worker_once(
    api: APIClient,
    three: list[ModelVersion],
    asked: list[tuple[object, ...]],
    django_capture_on_commit_callbacks: Callable[..., object],
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        put(api, "champion", 1)
        put(api, "champion", 1)
        put(api, "champion", 2)
    assert asked == [("worker.follow_alias", three[0].model_id, "champion")] * 2
    entry = AuditEntry.objects.filter(action="set_alias").first()
    assert (entry.actor, entry.target, entry.detail) == ("bob", "iris champion", {"version": 2, "was": 1})


@pytest.fixture
def follower(owner: Access, three: list[ModelVersion], api: APIClient) -> Serving:
    put(api, "champion", 1)
    wanted = Settings(name="flowers", script="Models/iris/1/predictor.py")
    serving, _ = serving_services.create(access=owner, wanted=wanted)
    serving.revisions.update(alias="champion")
    return serving


def test_an_alias_that_a_serving_follows_is_not_removed(api: APIClient, follower: Serving) -> None:
    refused = api.delete(f"{P}/aliases/champion/")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "in_use")
    assert "flowers" in refused.json()["error"]["message"]
    follower.revisions.update(alias="")
    assert api.delete(f"{P}/aliases/champion/").status_code == 204
    assert api.delete(f"{P}/aliases/champion/").status_code == 404
    assert AuditEntry.objects.filter(action="remove_alias").count() == 1


def test_a_deleted_serving_or_an_old_revision_follows_nothing(api: APIClient, follower: Serving) -> None:
    old = follower.current
    new = old.__class__.objects.get(pk=old.pk)
    new.pk, new.number, new.alias = None, 2, ""
    new.save()
    Serving.objects.filter(pk=follower.pk).update(revision=new)
    assert api.delete(f"{P}/aliases/champion/").status_code == 204


def test_a_version_goes_with_its_alias_but_not_while_it_is_used(
    api: APIClient, owner: Access, follower: Serving, three: list[ModelVersion]
) -> None:
    put(api, "old", 2)
    refused = api.delete(f"{P}/versions/1/")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "in_use")
    assert "flowers" in refused.json()["error"]["message"]
    assert api.delete(f"{P}/versions/2/").status_code == 204
    assert [alias.name for alias in Alias.objects.all()] == ["champion"]


def test_a_version_whose_alias_a_serving_follows_is_not_deleted(
    api: APIClient, follower: Serving, people: People, browser_of: Callable[[User], Client]
) -> None:
    """The alias has moved, and the serving has not come after it yet."""
    put(api, "champion", 2)
    refused = api.delete(f"{P}/versions/2/")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "in_use")
    assert "its alias champion is followed by flowers" in refused.json()["error"]["message"]
    asked = browser_of(people.bob).get("/projects/garden/models/iris/2/delete/").content.decode()
    assert "champion is followed by flowers" in asked
    assert Alias.objects.get().version.number == 2
    follower.revisions.update(alias="")
    assert api.delete(f"{P}/versions/2/").status_code == 204


def test_an_overwritten_version_keeps_its_alias(
    api: APIClient, export: Callable[..., ModelVersion], three: list[ModelVersion]
) -> None:
    put(api, "champion", 2)
    export(number=2, may_overwrite=True, description="again")
    assert api.get(f"{P}/versions/champion/").json()["description"] == "again"


def test_only_members_move_aliases(
    people: People, three: list[ModelVersion], browser_of: Callable[[User], Client]
) -> None:
    expected = {"alice": 201, "bob": 201, "vera": 403, "charlie": 404}
    for person, status in expected.items():
        client = browser_of(getattr(people, person))
        answer = client.put(f"{P}/aliases/of-{person}/", {"version": 1}, content_type="application/json")
        assert answer.status_code == status, person
        read = client.get(f"{P}/versions/latest/")
        assert read.status_code == (404 if person == "charlie" else 200)
    assert {alias.name for alias in Alias.objects.all()} == {"of-alice", "of-bob"}


def test_a_version_deleted_meanwhile_gets_no_alias(
    owner: Access, three: list[ModelVersion], api: APIClient
) -> None:
    from models_registry.errors import NoSuchThing
    from models_registry.versions import aliases

    stale = ModelVersion.objects.select_related("model").get(pk=three[0].pk)
    services.delete_version(access=owner, version=three[0])
    with pytest.raises(NoSuchThing, match="deleted"):
        aliases.put(access=owner, version=stale, name="champion")
