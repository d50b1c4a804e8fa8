"""Comparing two revisions over REST, and that no column is forgotten."""

from collections.abc import Callable

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.access import Access
from accounts.models import User
from models_registry import services as registry
from models_registry import storage
from models_registry.models import ModelVersion
from serving import comparing, services, settings
from serving.environments import service as environments
from serving.models import Revision, Serving
from serving.settings import Settings
from tests.conftest import People

COMPARE = "/api/projects/garden/servings/iris/revisions/compare/"
SCRIPT = "Models/iris/1/predictor.py"


@pytest.fixture
def serving(owner: Access, export: Callable[..., ModelVersion]) -> Serving:
    export()
    made, _ = services.create(access=owner, wanted=Settings(name="iris", script=SCRIPT))
    return made


@pytest.fixture
def edited(serving: Serving, owner: Access) -> Serving:
    blob = storage.receive([b"class Transformer:\n    pass\n"])
    registry.save_file(access=owner, path="Resources/scaler.py", blob=blob)
    changes = {"transformer": "Resources/scaler.py", "replicas": 2, "variables": {"SECRET": "s3cr3t"}}
    return services.update(access=owner, serving=serving, changes=changes)


def test_every_column_of_a_snapshot_is_compared_in_one_place() -> None:
    shown = [column for columns in comparing.ROWS.values() for column in columns]
    assert sorted([*shown, "variables"]) == sorted(settings.SNAPSHOT)
    labels = [settings.label(name) for name in comparing.ROWS]
    assert len(labels) == len(set(labels)), "no two rows have the same name"


def test_a_comparison_says_what_changed_and_keeps_what_did_not(edited: Serving, api: APIClient) -> None:
    found = api.get(f"{COMPARE}?a=1&b=2").json()
    assert (found["a"], found["b"], found["is_same"]) == (1, 2, False)
    changed = {
        row["name"]: (row["before"], row["after"]) for row in found["settings"] if row["state"] != "same"
    }
    assert changed.keys() == {"transformer", "replicas", "model files"}
    assert changed["replicas"] == (1, 2)
    assert {"name": "memory (MB)", "state": "same", "before": 1024, "after": 1024} in found["settings"]
    assert found["texts"]["transformer"]["unified"].endswith("+class Transformer:\n+    pass\n")
    assert [file["path"] for file in found["files"] if file["state"] == "added"] == ["transformer-scaler.py"]


def test_the_other_way_round_added_is_removed(edited: Serving, api: APIClient) -> None:
    found = api.get(f"{COMPARE}?a=2&b=1").json()
    assert found["texts"]["transformer"]["removed"] == 2
    assert [file["path"] for file in found["files"] if file["state"] == "removed"] == [
        "transformer-scaler.py"
    ]


def test_a_revision_is_the_same_as_itself_and_as_its_roll_back(edited: Serving, api: APIClient) -> None:
    assert api.get(f"{COMPARE}?a=2&b=2").json()["is_same"]
    api.post("/api/projects/garden/servings/iris/revisions/1/rollback/")
    found = api.get(f"{COMPARE}?a=1").json()
    assert (found["b"], found["is_same"], found["texts"], found["packages"]) == (3, True, {}, [])


def test_packages_are_compared_by_the_locks(serving: Serving, owner: Access, api: APIClient) -> None:
    services.update(access=owner, serving=serving, changes={"requirements": "six\nidna"})
    locks = {
        1: "idna==3.9\nolder==1\n",
        2: "idna==3.10\nsix==1.17.0\nlinux-only==2 ; sys_platform == 'none'\n",
    }
    for number, lock in locks.items():
        environment = environments.of_lock("3.11", lock)
        Revision.objects.filter(number=number).update(environment=environment)
    found = api.get(f"{COMPARE}?a=1&b=2").json()["packages"]
    assert [(each["name"], each["state"], each["before"], each["after"]) for each in found] == [
        ("idna", "changed", "3.9", "3.10"),
        ("older", "removed", "1", None),
        ("six", "added", None, "1.17.0"),
    ]


def test_values_of_variables_are_for_those_who_may_write(
    edited: Serving, people: People, browser_of: Callable[[User], Client]
) -> None:
    def variables(user: User) -> list[dict[str, object]]:
        return list(browser_of(user).get(COMPARE).json()["variables"])

    assert variables(people.bob) == [{"name": "SECRET", "state": "added", "before": None, "after": "s3cr3t"}]
    assert variables(people.vera) == [{"name": "SECRET", "state": "added", "before": None, "after": "hidden"}]
    assert browser_of(people.charlie).get(COMPARE).status_code == 404


@pytest.mark.parametrize("query", ["a=9", "b=x", "a=-1", "a=1&b=99999999999999999999", "a=%00"])
def test_a_revision_that_is_not_there_gets_a_sentence(serving: Serving, api: APIClient, query: str) -> None:
    answer = api.get(f"{COMPARE}?{query}")
    assert answer.status_code in {400, 404}
    assert len(answer.json()["error"]["message"]) > 15
