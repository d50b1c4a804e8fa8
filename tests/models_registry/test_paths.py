"""Which paths a version takes beside each other."""

from collections.abc import Callable
from urllib.parse import quote

import pytest
from rest_framework.test import APIClient

from models_registry.models import ProjectFile

P = "/api/projects/garden"


@pytest.fixture
def add(api: APIClient) -> Callable[[str], tuple[int, str]]:
    upload = api.post(f"{P}/models/iris/uploads/", {}, format="json").json()["id"]

    def put(path: str) -> tuple[int, str]:
        url = f"{P}/uploads/{upload}/files/{path}"
        answer = api.generic("PUT", url, b"x", "application/octet-stream")
        return answer.status_code, answer.json().get("error", {}).get("message", "")

    return put


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("Model.pkl", "model.pkl"),
        ("src/Model.pkl", "SRC/model.pkl"),
        ("ÄRA", "ära"),
        ("caf\u00e9.TXT", "CAFE\u0301.txt"),
        ("\u212aelvin", "kelvin"),
    ],
)
def test_paths_that_differ_only_in_case_are_refused(one: str, two: str, add) -> None:
    assert add(one)[0] == 201
    status, said = add(two)
    assert status == 400
    assert "differ only in case" in said
    assert "rename one" in said
    assert ProjectFile.objects.count() == 1


@pytest.mark.parametrize(("one", "two"), [("a", "A/b"), ("A/b", "a"), ("a/b/c", "A/B")])
def test_a_file_and_a_folder_of_one_name_are_refused_in_any_case(one: str, two: str, add) -> None:
    assert add(one)[0] == 201
    status, said = add(two)
    assert (status, "would be a file and a folder at once" in said) == (400, True)


def test_the_same_path_again_replaces_the_file(add) -> None:
    assert [add("Model.pkl")[0], add("Model.pkl")[0], add("cafe\u0301")[0], add("caf\u00e9")[0]] == [201] * 4
    assert ProjectFile.objects.count() == 2


def test_files_of_one_folder_written_two_ways_stay(add) -> None:
    assert [add("Data/a")[0], add("data/b")[0]] == [201, 201]


@pytest.mark.parametrize("path", ["Artifacts/x", "artifacts/x"])
def test_the_platforms_own_folder_is_refused(path: str, add) -> None:
    assert add(path)[0] == 400


def test_case_alone_does_not_clash_across_versions(add, api: APIClient) -> None:
    assert add("Model.pkl")[0] == 201
    other = api.post(f"{P}/models/iris/uploads/", {}, format="json").json()["id"]
    url = f"{P}/uploads/{other}/files/model.pkl"
    assert api.generic("PUT", url, b"x", "application/octet-stream").status_code == 201


@pytest.mark.parametrize(
    "character", ["\u202e", "\u2066", "\u200b", "\ufeff", "\u2028", "\u2029", "\u00ad", "\x1b"]
)
def test_characters_that_nobody_sees_are_refused(character: str, add) -> None:
    status, said = add(quote(f"model{character}lkp.exe"))
    assert (status, said) == (400, "A path may not hold control characters.")
    assert add(quote("größe 日本.pkl"))[0] == 201
