"""The registry over REST: export, list, show, download, delete, and every way to get it wrong."""

import hashlib
import io
import zipfile
from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from accounts.access import Access
from models_registry import queries, services, storage
from models_registry.errors import NoSuchThing
from models_registry.models import Blob, ModelVersion, ProjectFile, RegisteredModel
from serving import services as serving_services
from serving.settings import Settings

P = "/api/projects/garden"


def begin(api: APIClient, model: str = "iris", **options: object) -> str:
    answer = api.post(f"{P}/models/{model}/uploads/", options, format="json")
    assert answer.status_code == 201, answer.json()
    return answer.json()["id"]


def put(api: APIClient, upload: str, path: str, data: bytes, **headers: str) -> object:
    url = f"{P}/uploads/{upload}/files/{path}"
    return api.generic(
        "PUT", url, data, "application/octet-stream", headers=headers, CONTENT_LENGTH=str(len(data))
    )


def finalise(api: APIClient, upload: str) -> object:
    return api.post(f"{P}/uploads/{upload}/finalise/")


def export(api: APIClient, model: str = "iris", data: bytes = b"weights", **options: object) -> dict:
    upload = begin(api, model, **options)
    put(api, upload, "model.pkl", data)
    answer = finalise(api, upload)
    assert answer.status_code == 201, answer.json()
    return answer.json()


def test_versions_are_numbered_and_carry_what_was_said_of_them(api: APIClient) -> None:
    assert export(api)["version"] == 1
    shown = export(api, metrics={"accuracy": 0.97}, description="better", framework="SKLEARN")
    assert (shown["version"], shown["metrics"], shown["description"]) == (2, {"accuracy": 0.97}, "better")
    assert shown["created_by"] == "bob"
    assert shown["files"][0] | {"updated_at": ""} == {
        "path": "model.pkl",
        "size": 7,
        "sha256": hashlib.sha256(b"weights").hexdigest(),
        "updated_at": "",
        "safety": {"state": "waiting", "verdict": "", "kind": ""},
    }
    listed = api.get(f"{P}/models/").json()
    assert listed["items"][0] | {"created_at": ""} == {
        "name": "iris",
        "latest": 2,
        "version_count": 2,
        "created_at": "",
    }
    assert [each["version"] for each in api.get(f"{P}/models/iris/").json()["versions"]] == [2, 1]


def test_a_given_version_is_taken_and_the_next_one_follows_it(api: APIClient) -> None:
    assert export(api, version=7)["version"] == 7
    assert export(api)["version"] == 8


def test_an_existing_version_is_refused_unless_overwriting_is_asked_for(api: APIClient) -> None:
    export(api, version=1)
    refused = api.post(f"{P}/models/iris/uploads/", {"version": 1}, format="json")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "version_exists")
    replaced = export(api, version=1, data=b"new weights", overwrite=True)
    assert replaced["files"][0]["size"] == 11
    assert ModelVersion.objects.count() == 1


def test_nothing_of_an_upload_shows_before_it_is_finished(api: APIClient) -> None:
    upload = begin(api)
    put(api, upload, "model.pkl", b"weights")
    assert api.get(f"{P}/models/").json()["count"] == 0
    assert api.get(f"{P}/models/iris/versions/1/").status_code == 404
    assert api.get(f"{P}/files/Models/iris/1/model.pkl").status_code == 404


def test_a_discarded_upload_leaves_nothing(api: APIClient) -> None:
    upload = begin(api)
    put(api, upload, "model.pkl", b"weights")
    assert api.delete(f"{P}/uploads/{upload}/").status_code == 204
    assert not RegisteredModel.objects.exists()
    assert not ProjectFile.objects.exists()
    assert finalise(api, upload).status_code == 404


def test_an_overwrite_that_is_not_finished_leaves_the_old_version_whole(api: APIClient) -> None:
    export(api, version=1)
    put(api, begin(api, version=1, overwrite=True), "model.pkl", b"half")
    assert api.get(f"{P}/models/iris/versions/1/files/model.pkl").getvalue() == b"weights"


@pytest.mark.parametrize("files", [{}, {"model.pkl": b""}])
def test_an_empty_version_is_refused(files: dict[str, bytes], api: APIClient) -> None:
    upload = begin(api)
    for path, data in files.items():
        assert put(api, upload, path, data).status_code == 201
    answer = finalise(api, upload)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "empty")
    assert "at least one file" in answer.json()["error"]["message"]


BAD_PATHS = [
    "../escape.pkl",
    "a/../../escape.pkl",
    "%2Fetc%2Fpasswd",
    "a%5Cb",
    "a//b",
    "./a",
    "a/./b",
    "Artifacts/x",
    "x" * 201,
    "/".join(["abcdefghi"] * 60),
]


def test_an_address_with_a_nul_is_refused(api: APIClient) -> None:
    assert put(api, begin(api), "a%00b", b"x").status_code == 400
    assert api.get(f"{P}/files/?prefix=%00").status_code == 400


@pytest.mark.parametrize("path", BAD_PATHS)
def test_a_path_outside_the_version_is_refused_with_a_sentence(path: str, api: APIClient) -> None:
    answer = put(api, begin(api), path, b"x")
    assert answer.status_code == 400, path
    assert answer.json()["error"]["code"] == "bad_path"
    assert not ProjectFile.objects.exists()


def test_a_path_cannot_be_a_file_and_a_folder_at_once(api: APIClient) -> None:
    upload = begin(api)
    assert put(api, upload, "a/b", b"x").status_code == 201
    assert put(api, upload, "a", b"x").status_code == 400
    assert put(api, upload, "a/b/c", b"x").status_code == 400


def test_bytes_that_do_not_match_their_hash_are_refused(api: APIClient) -> None:
    answer = put(api, begin(api), "model.pkl", b"weights", **{"X-Content-SHA256": "0" * 64})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "wrong_hash")
    assert not Blob.objects.exists()


def test_a_file_over_the_limit_is_refused(api: APIClient, settings) -> None:
    settings.MAX_UPLOAD_BYTES = 1024
    answer = put(api, begin(api), "model.pkl", b"x" * 1025)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert not list(settings.BLOB_DIR.glob("incoming-*"))


def test_a_full_disk_is_named(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "_write", full)
    answer = put(api, begin(api), "model.pkl", b"x")
    assert (answer.status_code, answer.json()["error"]["code"]) == (507, "storage_full")


@pytest.mark.parametrize("name", ["with space", "a-b", "ä", "x" * 101, "a.b"])
def test_a_bad_model_name_is_refused(name: str, api: APIClient) -> None:
    answer = api.post(f"{P}/models/{name}/uploads/", {}, format="json")
    assert answer.status_code == 400
    assert "letters, digits or underscores" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "options",
    [
        {"version": 0},
        {"version": "x"},
        {"metrics": [1]},
        {"metrics": {"a": [1]}},
        {"metrics": {"a": True}},
        {"overwrite": "perhaps"},
    ],
)
def test_bad_options_are_refused_by_field(options: dict[str, object], api: APIClient) -> None:
    answer = api.post(f"{P}/models/iris/uploads/", options, format="json")
    assert answer.status_code == 400
    assert answer.json()["error"]["fields"]


def test_wrong_json_is_refused_with_its_place(api: APIClient) -> None:
    answer = api.generic("POST", f"{P}/models/iris/uploads/", '{"version": ', "application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "parse_error")


def test_files_download_as_attachments_and_versions_as_a_zip(
    api: APIClient, people, browser_of: Callable[..., object]
) -> None:
    upload = begin(api)
    put(api, upload, "src/predictor.py", b"print()")
    put(api, upload, "model.pkl", b"weights")
    finalise(api, upload)
    file = api.get(f"{P}/files/Models/iris/1/src/predictor.py")
    assert file.getvalue() == b"print()"
    assert file.headers["Content-Disposition"] == 'attachment; filename="predictor.py"'
    assert file.headers["X-Content-Type-Options"] == "nosniff"
    absolute = api.get(f"{P}/files//Projects/garden/Models/iris/1/model.pkl")
    assert absolute.getvalue() == b"weights"
    from models_registry import downloads

    response = downloads.version(ModelVersion.objects.get())
    archive = zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content)))
    assert {name: archive.read(name) for name in archive.namelist()} == {
        "model.pkl": b"weights",
        "src/predictor.py": b"print()",
    }


def test_a_version_in_use_is_not_deleted_and_the_refusal_names_the_servings(
    api: APIClient, owner: Access, export: Callable[..., ModelVersion]
) -> None:
    export()
    wanted = Settings(name="flowers", script="Models/iris/1/predictor.py")
    serving, _ = serving_services.create(access=owner, wanted=wanted)
    for url in (f"{P}/models/iris/versions/1/", f"{P}/models/iris/"):
        answer = api.delete(url)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "in_use")
        assert "flowers" in answer.json()["error"]["message"]
    assert api.get(f"{P}/models/iris/versions/1/").json()["servings"] == ["flowers"]
    serving.delete()
    assert api.delete(f"{P}/models/iris/versions/1/").status_code == 204
    assert api.get(f"{P}/models/").json()["count"] == 0


def test_free_files_live_under_resources(api: APIClient) -> None:
    url = f"{P}/files/Resources/iris/data.csv"
    assert api.generic("PUT", url, b"1,2", "text/csv").status_code == 201
    assert api.generic("PUT", url, b"1,2,3", "text/csv").status_code == 200
    assert api.get(url).getvalue() == b"1,2,3"
    assert [each["path"] for each in api.get(f"{P}/files/?prefix=Resources/iris").json()["items"]] == [
        "Resources/iris/data.csv"
    ]
    assert api.generic("PUT", f"{P}/files/Models/iris/1/x", b"1", "text/csv").status_code == 400
    assert api.delete(url).status_code == 204
    assert api.get(url).status_code == 404


def test_a_project_folder_is_exported_with_its_children(api: APIClient) -> None:
    for name in ("iris/model.pkl", "iris/src/predictor.py", "iris2/other.pkl"):
        api.generic("PUT", f"{P}/files/Resources/{name}", b"x", "application/octet-stream")
    upload = begin(api)
    assert api.post(f"{P}/uploads/{upload}/copy/", {"source": "Resources/iris"}, format="json").json() == {
        "files": 2
    }
    assert [each["path"] for each in finalise(api, upload).json()["files"]] == [
        "model.pkl",
        "src/predictor.py",
    ]
    missing = api.post(f"{P}/uploads/{begin(api)}/copy/", {"source": "Resources/nothing"}, format="json")
    assert missing.status_code == 404


def test_the_best_version_is_found_by_metric(api: APIClient) -> None:
    for accuracy in (0.5, "0.9", 0.7, "unknown"):
        export(api, metrics={"accuracy": accuracy})
    best = api.get(f"{P}/models/iris/best/?metric=accuracy").json()
    assert best["version"] == 2
    assert api.get(f"{P}/models/iris/best/?metric=accuracy&direction=min").json()["version"] == 1
    assert api.get(f"{P}/models/iris/best/?metric=loss").status_code == 404


def test_equal_bytes_are_stored_once_and_swept_when_nothing_names_them(
    api: APIClient, owner: Access, export: Callable[..., ModelVersion]
) -> None:
    one, two = export(files={"a": "same"}), export(files={"b": "same"})
    assert Blob.objects.count() == 1
    Blob.objects.update(touched_at="2020-01-01T00:00:00Z")
    services.delete_version(access=owner, version=one)
    assert services.sweep_blobs() == 0
    services.delete_version(access=owner, version=two)
    sha256 = Blob.objects.get().sha256
    with storage.open(sha256) as file:
        assert file.read() == b"same"
    assert services.sweep_blobs() == 1
    with pytest.raises(FileNotFoundError):
        storage.open(sha256)


def test_an_upload_nobody_finished_is_dropped_after_a_day(api: APIClient) -> None:
    begin(api)
    assert services.discard_abandoned() == 0
    ModelVersion.objects.update(created_at="2020-01-01T00:00:00Z")
    assert services.discard_abandoned() == 1
    assert not RegisteredModel.objects.exists()


def test_an_upload_is_finished_once_and_closed_from_then_on(api: APIClient, owner: Access) -> None:
    draft = services.start_upload(access=owner, model_name="iris")
    services.add_file(draft=draft, path="a", blob=storage.receive([b"a"]))
    stale = ModelVersion.objects.select_related("model__project").get(pk=draft.pk)
    services.finalise(access=owner, draft=draft)
    with pytest.raises(NoSuchThing, match="finished or was discarded"):
        services.finalise(access=owner, draft=stale)
    with pytest.raises(NoSuchThing, match="finished or was discarded"):
        services.add_file(draft=stale, path="late", blob=storage.receive([b"late"]))
    assert [(each.number, each.files.count()) for each in ModelVersion.objects.all()] == [(1, 1)]


def test_an_upload_that_was_just_finished_is_not_discarded(api: APIClient, owner: Access) -> None:
    draft = services.start_upload(access=owner, model_name="iris")
    services.add_file(draft=draft, path="a", blob=storage.receive([b"a"]))
    stale = ModelVersion.objects.select_related("model__project").get(pk=draft.pk)
    services.finalise(access=owner, draft=draft)
    with pytest.raises(NoSuchThing, match="finished or was discarded"):
        services.discard(draft=stale)
    assert api.get(f"{P}/models/iris/versions/1/files/a").getvalue() == b"a"


def test_the_daily_sweep_leaves_an_upload_that_is_finished_meanwhile(
    owner: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts = [services.start_upload(access=owner, model_name=name) for name in ("iris", "left")]
    services.add_file(draft=drafts[0], path="a", blob=storage.receive([b"a"]))
    ModelVersion.objects.update(created_at="2020-01-01T00:00:00Z")
    found = queries.abandoned_drafts().order_by("pk")
    len(found)
    services.finalise(access=owner, draft=drafts[0])
    monkeypatch.setattr(queries, "abandoned_drafts", lambda: Listed(found))
    assert services.discard_abandoned() == 1
    assert [(each.model.name, each.state) for each in ModelVersion.objects.all()] == [("iris", "ready")]


class Listed(list[ModelVersion]):
    """Drafts as they were when they were listed."""

    def select_related(self, *_: str) -> list[ModelVersion]:
        return self
