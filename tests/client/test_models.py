"""Exporting and downloading, against a server that only says what it is told."""

import hashlib
import os
from pathlib import Path

import pytest

from hopyard.client import Client, Conflict, InvalidArgument, ServerError
from hopyard.client.local_files import LocalFile, collect
from tests.client.scripted import VERSION, Scripted, refuses, says, says_raw

UPLOADS = "/api/projects/demo/models/iris/uploads/"
DRAFT = "/api/projects/demo/uploads/7/"


@pytest.fixture
def iris(tmp_path: Path) -> Path:
    folder = tmp_path / "iris"
    for path in ("knn.pkl", "data/train.csv", "__pycache__/x.pyc", ".git/config", ".env"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)
    return folder


def test_a_folders_children_are_sent_without_caches_and_version_control(iris: Path) -> None:
    assert [file.name for file in collect(iris)] == [".env", "data/train.csv", "knn.pkl"]


def test_a_link_inside_the_folder_is_sent_as_the_file_it_leads_to(iris: Path) -> None:
    (iris / "latest.pkl").symlink_to("knn.pkl")
    assert "latest.pkl" in [file.name for file in collect(iris)]


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside.txt", "data", "nowhere"])
def test_a_link_that_leads_elsewhere_is_refused(iris: Path, target: str) -> None:
    (iris.parent / "outside.txt").write_text("private")
    (iris / "link").symlink_to(target)
    with pytest.raises(InvalidArgument, match="only links to files inside"):
        collect(iris)


def test_what_is_no_file_is_refused(iris: Path) -> None:
    os.mkfifo(iris / "pipe")
    with pytest.raises(InvalidArgument, match="is not a regular file"):
        collect(iris)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="There is no file in"):
        collect(tmp_path)


def test_a_file_that_shrinks_meanwhile_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("short")
    with pytest.raises(InvalidArgument, match="became shorter"):
        list(LocalFile(tmp_path / "log", "log", 100).chunks(10))


def test_a_file_that_grows_meanwhile_is_sent_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("longer than it was")
    assert b"".join(LocalFile(tmp_path / "log", "log", 6).chunks(4)) == b"longer"


def test_an_export_sends_each_file_and_finalises(client: Client, scripted: Scripted, iris: Path) -> None:
    scripted.on("POST", UPLOADS, says(201, {"id": 7, "model": "iris", "version": None}))
    for name in (".env", "data/train.csv", "knn.pkl"):
        scripted.on("PUT", f"{DRAFT}files/{name}", says(201, {}))
    scripted.on("POST", f"{DRAFT}finalise/", says(201, VERSION))
    seen: list[tuple[int, int]] = []
    version = client.models.export(
        iris, "iris", metrics={"accuracy": 0.9}, on_progress=lambda *step: seen.append(step)
    )
    assert (version.version, version.path) == (1, "Models/iris/1")
    asked = scripted.requests[0].json
    asked.pop("packages")
    assert asked.pop("provenance")["python"]
    assert asked == {
        "version": None,
        "overwrite": False,
        "description": "",
        "framework": "",
        "metrics": {"accuracy": 0.9},
        "tags": {},
    }
    assert scripted.calls[-1] == f"POST {DRAFT}finalise/"
    assert seen == sorted(seen)
    assert seen[-1] == (25, 25)


def test_a_project_path_is_copied_by_the_platform(client: Client, scripted: Scripted) -> None:
    scripted.then(says(201, {"id": "7"}), says(200, {}), says(201, VERSION))
    client.models.export("/Projects/demo/Resources/iris", "iris", version=1, overwrite=True)
    assert scripted.calls[1] == f"POST {DRAFT}copy/"
    assert scripted.requests[1].json == {"source": "Resources/iris"}


def test_a_path_that_is_nowhere_is_refused_before_any_request(client: Client, scripted: Scripted) -> None:
    with pytest.raises(ValueError, match=r"There is no iris\.pkl on this machine"):
        client.models.export("iris.pkl", "iris")
    assert scripted.requests == []


@pytest.mark.parametrize("version", [0, -1, True, "1", 1.0])
def test_a_version_that_is_no_number_is_refused(client: Client, iris: Path, version: int) -> None:
    with pytest.raises(ValueError, match="whole number from 1"):
        client.models.export(iris, "iris", version=version)


def test_metrics_that_json_cannot_hold_are_refused(client: Client, scripted: Scripted, iris: Path) -> None:
    with pytest.raises(ValueError, match="cannot be sent as JSON"):
        client.models.export(iris, "iris", metrics={"accuracy": float("nan")})
    assert scripted.requests == []


def test_a_draft_is_deleted_when_a_file_fails(client: Client, scripted: Scripted, iris: Path) -> None:
    scripted.then(says(201, {"id": 7}), refuses(500, "full", "The disk is full."), says_raw(204, b""))
    with pytest.raises(ServerError, match="The disk is full"):
        client.models.export(iris, "iris")
    assert scripted.calls[-1] == f"DELETE {DRAFT}"


def test_the_first_failure_is_told_even_if_the_draft_cannot_be_deleted(
    client: Client, scripted: Scripted, iris: Path
) -> None:
    scripted.then(
        says(201, {"id": 7}), refuses(500, "full", "The disk is full."), refuses(500, "x", "Also this.")
    )
    with pytest.raises(ServerError, match="The disk is full"):
        client.models.export(iris, "iris")


def test_a_draft_is_deleted_when_the_user_interrupts(client: Client, scripted: Scripted, iris: Path) -> None:
    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    scripted.then(says(201, {"id": 7}), says_raw(204, b""))
    with pytest.raises(KeyboardInterrupt):
        client.models.export(iris, "iris", on_progress=interrupt)
    assert scripted.calls[-1] == f"DELETE {DRAFT}"


def test_a_version_that_exists_is_a_conflict(client: Client, scripted: Scripted, iris: Path) -> None:
    scripted.then(refuses(409, "version_exists", "Version 1 exists."))
    with pytest.raises(Conflict):
        client.models.export(iris, "iris", version=1)
    assert len(scripted.requests) == 1


def test_a_download_refuses_to_replace_a_file_unless_told(
    client: Client, scripted: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sha256 = hashlib.sha256(b"new").hexdigest()
    version = {**VERSION, "files": [{"path": "sub/a.txt", "size": 3, "sha256": sha256}]}
    (tmp_path / "iris/1/sub").mkdir(parents=True)
    (tmp_path / "iris/1/sub/a.txt").write_text("old")
    (tmp_path / "iris/1/mine.txt").write_text("mine")
    scripted.then(says(200, version), says(200, version), says_raw(200, b"new"))
    with pytest.raises(ValueError, match="already exists"):
        client.models.download("iris", 1)
    assert client.models.download("iris", 1, overwrite=True) == Path("iris/1")
    assert (tmp_path / "iris/1/sub/a.txt").read_text() == "new"
    assert (tmp_path / "iris/1/mine.txt").read_text() == "mine"


def test_the_newest_version_is_the_default(client: Client, scripted: Scripted) -> None:
    versions = [{**VERSION, "version": number} for number in (10, 9, 2)]
    scripted.then(says(200, {"name": "iris", "versions": versions}), says(200, versions[0]))
    assert client.models.get("iris").version == 10
    scripted.then(says(200, {"name": "iris", "versions": versions}))
    assert [version.version for version in client.models.versions("iris")] == [2, 9, 10]


@pytest.mark.parametrize(
    ("destination", "path"),
    [
        ("Resources/", "Resources/knn.pkl"),
        ("Resources/new.pkl", "Resources/new.pkl"),
        ("Resources/in/", "Resources/in/knn.pkl"),
    ],
)
def test_a_file_goes_where_it_is_told(
    client: Client, scripted: Scripted, iris: Path, destination: str, path: str
) -> None:
    scripted.then(says(201, {}))
    assert [stored.path for stored in client.files.upload(iris / "knn.pkl", destination)] == [path]
    assert scripted.calls == [f"PUT /api/projects/demo/files/{path}"]


def test_a_folder_goes_where_it_is_told_with_its_children(
    client: Client, scripted: Scripted, iris: Path
) -> None:
    scripted.then(*[says(201, {})] * 3)
    paths = [stored.path for stored in client.files.upload(iris)]
    assert paths == ["Resources/iris/.env", "Resources/iris/data/train.csv", "Resources/iris/knn.pkl"]
