"""Who sees which page, and what on it."""

from collections.abc import Callable
from contextlib import closing

import pytest
from django.test import Client

from models_registry.models import ModelVersion
from serving.models import Serving
from tests.pages.conftest import Pages

SEEN_BY_ALL = [
    "servings/",
    "servings/Iris/",
    "servings/Iris/logs/",
    "servings/Iris/history/",
    "servings/Iris/calls/",
    "servings/Iris/compare/",
    "servings/Iris/try/",
    "models/",
    "models/iris/",
    "models/iris/1/",
    "models/iris/1/download/",
    "models/iris/compare/",
    "files/Models/iris/1/predictor.py",
    "resources/",
    "safety/",
    "environments/",
    "members/",
    "keys/",
]
FOR_WRITERS = [
    "new-serving/",
    "servings/Iris/edit/",
    "servings/Iris/delete/",
    "servings/Iris/canary/withdraw/",
    "models/iris/delete/",
    "models/iris/1/delete/",
    "models/iris/1/describe/",
    "export/",
]
FOR_OWNERS = [
    "audit/",
    "servings/Iris/start-anyway/",
    "servings/Iris/exemptions/",
    "members/bob/remove/",
    "settings/",
]
WRITES = [
    "servings/Iris/run/",
    "servings/Iris/stop/",
    "servings/Iris/check-again/",
    "servings/Iris/roll-back/1/",
    "servings/Iris/scale/",
    "servings/Iris/pace/",
    "servings/Iris/canary/",
    "servings/Iris/canary/promote/",
    "servings/Iris/canary/withdraw/",
    "servings/Iris/exemptions/",
    "servings/Iris/delete/",
    "models/iris/delete/",
    "models/iris/1/delete/",
    "export/",
    "resources/",
    "new-serving/",
    "members/",
]


@pytest.mark.parametrize("path", SEEN_BY_ALL)
@pytest.mark.parametrize("person", ["alice", "bob", "vera"])
def test_everybody_in_the_project_sees(
    serving: Serving, pages: Callable[[str], Pages], person: str, path: str
) -> None:
    with closing(pages(person).get(path)) as response:
        assert response.status_code == 200


@pytest.mark.parametrize("path", FOR_WRITERS)
def test_members_see_and_viewers_are_refused(
    serving: Serving, pages: Callable[[str], Pages], path: str
) -> None:
    assert pages("bob").get(path).status_code == 200
    assert pages("vera").get(path).status_code == 403


@pytest.mark.parametrize("path", FOR_OWNERS)
def test_owners_see_and_members_are_refused(
    serving: Serving, pages: Callable[[str], Pages], path: str
) -> None:
    assert pages("alice").get(path).status_code == 200
    assert pages("bob").get(path).status_code == 403


@pytest.mark.parametrize("path", [*SEEN_BY_ALL, *FOR_WRITERS, *FOR_OWNERS])
def test_a_stranger_learns_nothing_from(serving: Serving, pages: Callable[[str], Pages], path: str) -> None:
    response = pages("charlie").get(path)
    assert response.status_code == 404
    assert b"Iris" not in response.content


@pytest.mark.parametrize("path", WRITES)
def test_a_viewer_cannot_write_to(serving: Serving, vera: Pages, path: str) -> None:
    assert vera.post(path).status_code == 403
    assert Serving.objects.filter(is_deleted=False, wanted_replicas=0).count() == 1
    assert ModelVersion.objects.count() == 1


@pytest.mark.parametrize("path", ["servings/", "servings/Iris/", "models/", "export/"])
def test_nobody_in_particular_is_sent_to_sign_in(serving: Serving, path: str) -> None:
    response = Client().get(f"/projects/garden/{path}")
    assert response["Location"] == f"/sign-in/?next=/projects/garden/{path}"


def test_a_viewer_sees_no_buttons(running: Serving, vera: Pages, bob: Pages) -> None:
    for path in ("servings/", "servings/Iris/"):
        assert b"/stop/" in bob.get(path).content
        assert b"/stop/" not in vera.get(path).content
        assert b"/edit/" not in vera.get(path).content
    assert b"/export/" not in vera.get("models/").content


def test_a_page_of_nothing_is_a_sentence(serving: Serving, bob: Pages) -> None:
    for path in (
        "servings/Nope/",
        "models/nope/",
        "models/iris/9/",
        "files/Models/iris/1/nope",
        "servings/Iris/logs/x/",
    ):
        response = bob.get(path)
        assert response.status_code == 404
        assert b"nope" in response.content.lower() or b"no " in response.content
