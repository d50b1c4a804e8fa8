"""Two versions side by side: values, packages, files by digest, texts, and texts that cannot be compared."""

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from models_registry.models import ModelVersion
from models_registry.versions import comparing
from models_registry.versions.comparing import State

P = "/api/projects/garden/models/iris"


@pytest.fixture
def two(export: Callable[..., ModelVersion]) -> list[ModelVersion]:
    first = export(
        files={
            "predictor.py": "one\ntwo\nthree\n",
            "same.txt": "same",
            "old.bin": "old",
            "big.txt": "a" * 300_000,
        },
        metrics={"accuracy": 0.5, "kind": "knn"},
        description="first",
        tags={"data": "march"},
        packages={"scikit_learn": "1.4.0", "numpy": "2.0.0", "joblib": "1.0"},
        provenance={"git_commit": "abc"},
    )
    second = export(
        files={
            "predictor.py": "one\n2\nthree\n",
            "same.txt": "same",
            "new.bin": "new",
            "big.txt": "b" * 300_000,
        },
        metrics={"accuracy": 0.75, "loss": 0.1},
        description="second",
        packages={"scikit-learn": "1.5.0", "numpy": "2.0.0", "pandas": "3.0"},
        provenance={"git_commit": "def"},
    )
    return [first, second]


def test_everything_that_differs_is_told(api: APIClient, two: list[ModelVersion]) -> None:
    found = api.get(f"{P}/compare/?a=1&b=2").json()
    assert (found["a"], found["b"]) == (1, 2)
    metrics = {each["name"]: (each["state"], each["difference"]) for each in found["metrics"]}
    assert metrics == {"accuracy": ("changed", 0.25), "kind": ("removed", None), "loss": ("added", None)}
    packages = {each["name"]: (each["before"], each["after"]) for each in found["packages"]}
    assert packages == {
        "scikit-learn": ("1.4.0", "1.5.0"),
        "joblib": ("1.0", None),
        "pandas": (None, "3.0"),
    }
    assert {each["path"]: each["state"] for each in found["files"]} == {
        "predictor.py": "changed",
        "big.txt": "changed",
        "old.bin": "removed",
        "new.bin": "added",
        "same.txt": "same",
    }
    assert found["diffs"].keys() == {"predictor.py"}
    assert found["diffs"]["predictor.py"]["unified"] == "@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"
    assert [each["after"] for each in found["about"]] == ["second", ""]
    assert found["tags"][0]["state"] == "removed"
    assert found["provenance"][0]["after"] == "def"


def test_a_file_that_is_no_text_is_compared_by_digest_only(
    api: APIClient, export: Callable[..., ModelVersion]
) -> None:
    export(files={"model.bin": "a\0b"})
    export(files={"model.bin": "a\0c"})
    found = api.get(f"{P}/compare/?a=1&b=2").json()
    assert found["files"][0]["before"]["size"] == 3
    assert found["diffs"] == {}


def test_the_schema_is_compared_by_meaning(api: APIClient, export: Callable[..., ModelVersion]) -> None:
    for text in ('{"b": 1, "a": 2}', '{"a": 2,   "b": 1}', '{"a": 3, "b": 1}'):
        export(files={"m": "m", "model_schema.json": text})
    same, changed = (api.get(f"{P}/compare/?a=1&b={b}").json() for b in (2, 3))
    assert same["schema"]["unified"] == ""
    assert '-  "a": 2,' in changed["schema"]["unified"]
    assert changed["diffs"] == {}


def test_versions_are_named_by_alias_and_latest_too(api: APIClient, two: list[ModelVersion]) -> None:
    api.put(f"{P}/aliases/champion/", {"version": 1}, format="json")
    found = api.get(f"{P}/compare/?a=champion&b=latest").json()
    assert (found["a"], found["b"]) == (1, 2)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("a=1", 400),
        ("a=1&b=9", 404),
        ("a=x&b=1", 404),
        ("a=1&b=" + "9" * 5000, 404),
        ("a=²&b=1", 404),
    ],
)
def test_a_version_that_is_not_there_is_named(
    query: str, status: int, api: APIClient, two: list[ModelVersion]
) -> None:
    answer = api.get(f"{P}/compare/?{query}")
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


def test_many_changed_texts_are_bounded(api: APIClient, export: Callable[..., ModelVersion]) -> None:
    for side in ("a", "b"):
        export(files={f"{number}.txt": side for number in range(25)})
    assert len(api.get(f"{P}/compare/?a=1&b=2").json()["diffs"]) == 20


def test_lines_are_numbered_on_both_sides() -> None:
    diff = comparing.text("a\nb\nc", "a\nB\nc\nd")
    lines = [(line.kind, line.before, line.after, line.text) for line in diff.lines if not line.is_gap]
    assert lines == [
        (State.SAME, 1, 1, "a"),
        (State.REMOVED, 2, None, "b"),
        (State.ADDED, None, 2, "B"),
        (State.SAME, 3, 3, "c"),
        (State.ADDED, None, 4, "d"),
    ]
    assert (diff.added, diff.removed) == (2, 1)


def test_lines_that_look_like_a_diff_are_taken_as_text() -> None:
    diff = comparing.text("--- a\n+++ b\n@@ -1 +1 @@\n", "--- a\n+++ c\n@@ -1 +1 @@\n")
    assert [line.text for line in diff.lines if line.kind == State.ADDED] == ["+++ c"]
    assert len(diff.lines) == 5


@pytest.mark.parametrize(
    ("a", "b", "reason"),
    [
        ("x\n" * 4000, "y", "more than 3000 lines"),
        ("a\r\nb", "a\nb", "Only line endings"),
        ("".join(f"{n}\n" for n in range(2500)), "", "first 2000 lines"),
    ],
)
def test_what_is_not_shown_has_its_reason(a: str, b: str, reason: str) -> None:
    assert reason in comparing.text(a, b).reason


def test_equal_texts_have_no_difference() -> None:
    assert comparing.text("a\nb", "a\nb") == comparing.TextDiff()
