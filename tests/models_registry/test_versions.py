"""What is said of a version: at export, shown, changed later, and found by metric."""

import io
import json
from collections.abc import Callable

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import AuditEntry, User
from models_registry.models import ModelVersion, RegisteredModel
from tests.conftest import IRIS_SCRIPT, People
from tests.models_registry.test_api import P, begin, finalise, put
from tests.models_registry.test_api import export as export_by_rest

VERSION = f"{P}/models/iris/versions/1/"
EXAMPLE = {"instances": [[5.1, 3.5]]}
SCHEMA = {"input_schema": {"columnar_schema": [{"name": "sepal", "type": "float64"}]}}
MANY_METRICS = ({f"m{number}": 1 for number in range(201)}, {"m" * 101: 1}, {"m": "x" * 501}, {"m": 10**400})


def test_everything_said_at_export_comes_back(api: APIClient) -> None:
    upload = begin(
        api,
        tags={"data": {"rows": 150}},
        packages={"scikit-learn": "1.5.0"},
        provenance={"client": "hopyard 0.1.0", "git_commit": "abc", "git_is_dirty": False, "user": "root"},
    )
    put(api, upload, "model.pkl", b"weights")
    put(api, upload, "input_example.json", json.dumps(EXAMPLE).encode())
    put(api, upload, "model_schema.json", json.dumps(SCHEMA).encode())
    shown = finalise(api, upload).json()
    assert shown["tags"] == {"data": {"rows": 150}}
    assert shown["packages"] == {"scikit-learn": "1.5.0"}
    assert (shown["input_example"], shown["model_schema"]) == (EXAMPLE, SCHEMA)
    assert shown["provenance"].items() >= {"user": "bob", "git_commit": "abc", "git_is_dirty": False}.items()
    assert shown["provenance"].keys() >= {"user_agent", "exported_at"}
    assert api.get(VERSION).json() == shown


def test_without_example_and_schema_nothing_is_made_up(api: APIClient) -> None:
    shown = export_by_rest(api)
    assert (shown["input_example"], shown["model_schema"]) == (None, None)
    assert (shown["tags"], shown["packages"], shown["aliases"]) == ({}, {}, [])


@pytest.mark.parametrize(
    "text", ["not json", "[1, NaN]", "[" * 100_000, '"' + "x" * 70_000 + '"', '"\\ud800"', ""]
)
def test_a_broken_example_does_not_hide_the_version(text: str, export: Callable[..., ModelVersion]) -> None:
    export(files={"predictor.py": IRIS_SCRIPT, "input_example.json": text, "model_schema.json": text})


@pytest.mark.parametrize(
    "options",
    [
        {"tags": [1]},
        {"tags": {"a b": 1}},
        {"provenance": {"a": {"deep": 1}}},
        {"provenance": {"a": "x" * 501}},
        {"provenance": {f"f{number}": 1 for number in range(31)}},
        {"packages": {"numpy": [1]}},
        {"packages": {f"p{number}": "1" for number in range(501)}},
        *({"metrics": metrics} for metrics in MANY_METRICS),
    ],
)
def test_too_much_or_of_the_wrong_form_is_refused_and_leaves_nothing(
    options: dict[str, object], api: APIClient
) -> None:
    answer = api.post(f"{P}/models/iris/uploads/", options, format="json")
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
    assert not RegisteredModel.objects.exists()


def test_what_is_said_can_be_changed_and_the_files_cannot(
    api: APIClient, export: Callable[..., ModelVersion]
) -> None:
    export(description="first", metrics={"accuracy": 0.5}, tags={"a": 1})
    before = api.get(VERSION).json()
    changes = {"description": "better", "metrics": {"accuracy": 0.6}, "tags": {"b": 2}}
    after = api.patch(VERSION, changes, format="json").json()
    assert after == before | changes
    assert api.patch(VERSION, {"framework": "PyTorch"}, format="json").json() == after | {
        "framework": "PyTorch"
    }
    assert api.patch(VERSION, {"files": [], "version": 7, "provenance": {}}, format="json").json() == (
        after | {"framework": "PyTorch"}
    )
    changed = [entry.detail["changed"] for entry in AuditEntry.objects.filter(action="describe_version")]
    assert changed == [["framework"], ["description", "metrics", "tags"]]


@pytest.mark.parametrize(
    "changes",
    [
        *({"metrics": metrics} for metrics in MANY_METRICS),
        {"metrics": {"a": [1]}},
        {"description": "x" * 10_001},
        {"framework": None},
        {"tags": {"": 1}},
    ],
)
def test_a_wrong_change_is_refused_whole(
    changes: dict[str, object], api: APIClient, export: Callable[..., ModelVersion]
) -> None:
    export(description="first")
    answer = api.patch(VERSION, {"description": "second", **changes}, format="json")
    assert answer.status_code == 400
    assert api.get(VERSION).json()["description"] == "first"


def test_only_members_describe(
    people: People, export: Callable[..., ModelVersion], browser_of: Callable[[User], Client]
) -> None:
    export()
    for person, status in {"alice": 200, "bob": 200, "vera": 403, "charlie": 404}.items():
        client = browser_of(getattr(people, person))
        answer = client.patch(VERSION, {"description": person}, content_type="application/json")
        assert answer.status_code == status, person


def best(api: APIClient, query: str) -> object:
    return api.get(f"{P}/models/iris/best/?{query}")


def test_the_best_version_is_the_newest_of_equals_and_counts_numbers_in_texts(
    api: APIClient, export: Callable[..., ModelVersion]
) -> None:
    for accuracy in (0.5, "0.9", 0.9, 0.5, "unknown", float("1e308")):
        export(metrics={"accuracy": accuracy, "kind": "knn"})
    export(metrics={})
    assert best(api, "metric=accuracy").json()["version"] == 6
    assert best(api, "metric=accuracy&direction=MIN").json()["version"] == 4
    ModelVersion.objects.filter(number=6).delete()
    assert best(api, "metric=accuracy&direction=max").json()["version"] == 3


@pytest.mark.parametrize(
    ("query", "status"),
    [("", 400), ("metric=", 400), ("metric=loss", 404), ("metric=kind", 404), ("metric=a&direction=up", 400)],
)
def test_a_metric_that_no_version_has_is_named(
    query: str, status: int, api: APIClient, export: Callable[..., ModelVersion]
) -> None:
    export(metrics={"kind": "knn"})
    answer = best(api, query)
    assert answer.status_code == status
    assert "metric" in answer.json()["error"]["message"]


@pytest.mark.parametrize("metrics", MANY_METRICS[:3])
def test_forms_refuse_too_many_and_too_long_metrics(
    metrics: dict[str, object],
    people: People,
    export: Callable[..., ModelVersion],
    browser_of: Callable[[User], Client],
) -> None:
    export()
    lines = "\n".join(f"{name}={value}" for name, value in metrics.items())
    forms = {"models/iris/1/describe/": {}, "export/": {"name": "iris", "file": io.BytesIO(b"x")}}
    for page, form in forms.items():
        answer = browser_of(people.bob).post(f"/projects/garden/{page}", {**form, "metrics": lines})
        assert answer.status_code == 400
        assert "at most" in str(answer.context["form"].errors["metrics"])
    assert [each.metrics for each in ModelVersion.objects.all()] == [{}]


def test_a_number_of_four_hundred_digits_in_a_form_is_a_text(
    people: People, export: Callable[..., ModelVersion], browser_of: Callable[[User], Client]
) -> None:
    export()
    form = {"metrics": "seed=" + "7" * 400}
    assert browser_of(people.bob).post("/projects/garden/models/iris/1/describe/", form).status_code == 302
    assert ModelVersion.objects.get().metrics == {"seed": "7" * 400}
