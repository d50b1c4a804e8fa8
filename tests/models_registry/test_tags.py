"""Tags over REST: any JSON by name, bounded, changed without touching the version's files."""

from collections.abc import Callable

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import AuditEntry, User
from models_registry.models import ModelVersion
from tests.conftest import People

P = "/api/projects/garden/models/iris/versions/1"


@pytest.fixture(autouse=True)
def version(export: Callable[..., ModelVersion]) -> ModelVersion:
    return export(tags={"data": "2026-03"})


def put(api: APIClient, name: str, value: object) -> object:
    return api.put(f"{P}/tags/{name}/", {"value": value}, format="json")


@pytest.mark.parametrize("value", ["text", 3, 0.5, True, [1, {"a": "ü"}], {"deep": [None]}, "", r"\u0000"])
def test_a_tag_holds_any_json(value: object, api: APIClient) -> None:
    answer = put(api, "note", value)
    assert answer.status_code == 200
    assert answer.json()["tags"] == {"data": "2026-03", "note": value}


def test_a_tag_is_replaced_and_removed(api: APIClient) -> None:
    put(api, "data", "2026-04")
    assert api.get(f"{P}/").json()["tags"] == {"data": "2026-04"}
    assert api.delete(f"{P}/tags/data/").status_code == 204
    assert api.get(f"{P}/").json()["tags"] == {}
    missing = api.delete(f"{P}/tags/data/")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")
    assert AuditEntry.objects.filter(action__in=["set_tag", "remove_tag"]).count() == 2


@pytest.mark.parametrize("name", ["-x", "with space", "ä", "x" * 101, "..", "a:b"])
def test_a_bad_name_is_refused_with_the_rule(name: str, api: APIClient) -> None:
    answer = put(api, name, 1)
    assert answer.status_code == 400
    assert "cannot name a tag" in answer.json()["error"]["message"]


def test_what_cannot_be_kept_is_refused_and_changes_nothing(api: APIClient) -> None:
    too_long = put(api, "long", "x" * 5000)
    assert (too_long.status_code, too_long.json()["error"]["code"]) == (400, "refused")
    assert "at most 4096" in too_long.json()["error"]["message"]
    assert api.put(f"{P}/tags/note/", {}, format="json").status_code == 400
    for body in ('{"value": NaN}', '{"value": 1e999}', '{"value": "\\u0000"}'):
        answer = api.generic("PUT", f"{P}/tags/note/", body, "application/json")
        assert answer.status_code == 400, body
    assert api.get(f"{P}/").json()["tags"] == {"data": "2026-03"}


def test_the_number_of_tags_is_bounded(api: APIClient, version: ModelVersion) -> None:
    tags = {f"t{number}": number for number in range(51)}
    answer = api.patch(f"{P}/", {"tags": tags}, format="json")
    assert answer.status_code == 400
    assert "at most 50 tags" in answer.json()["error"]["message"]
    version.refresh_from_db()
    assert version.tags == {"data": "2026-03"}


def test_only_members_tag(people: People, browser_of: Callable[[User], Client]) -> None:
    expected = {"alice": 200, "bob": 200, "vera": 403, "charlie": 404}
    for person, status in expected.items():
        client = browser_of(getattr(people, person))
        answer = client.put(f"{P}/tags/by/", {"value": person}, content_type="application/json")
        assert answer.status_code == status, person
