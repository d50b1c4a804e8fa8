"""A project keeps what it is allowed: asked before, while and after the bytes come."""

import io
import threading
from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from accounts.access import Access
from models_registry import quota, services, storage
from models_registry.models import Blob, IncomingFile, Leftover, ModelVersion, ProjectFile, RegisteredModel
from tests.conftest import People
from tests.models_registry.crafted import zipped

P = "/api/projects/garden"
MEGABYTE = 1024 * 1024


@pytest.fixture(autouse=True)
def _two_megabytes(people: People) -> None:
    people.project.quota_mb = 2
    people.project.save()


def put(api: APIClient, path: str, size: int, letter: bytes = b"x", **headers: str) -> tuple[int, dict]:
    url = f"{P}/files/Resources/{path}"
    answer = api.generic("PUT", url, letter * size, "application/octet-stream", headers=headers)
    return answer.status_code, answer.json()


def test_a_file_that_does_not_fit_is_refused_with_the_figures(api: APIClient) -> None:
    assert put(api, "a", MEGABYTE)[0] == 201
    status, said = put(api, "b", MEGABYTE + 1, b"y")
    assert (status, said["error"]["code"]) == (413, "over_quota")
    assert said["error"]["message"] == (
        "garden may keep 2.0 MB and uses 1.0 MB, and 1.0 MB more would not fit. Delete versions or resources "
        "nobody needs, or ask an owner for a larger quota."
    )
    assert [file.path for file in ProjectFile.objects.all()] == ["Resources/a"]


def test_the_refusal_comes_before_the_bytes(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "receive", lambda *_, **__: pytest.fail("the bytes were read"))
    assert put(api, "a", 3 * MEGABYTE)[0] == 413


def sweep_a_day_later() -> None:
    Blob.objects.update(touched_at="2020-01-01T00:00:00Z")
    services.sweep_blobs()


def test_equal_bytes_count_once_and_deleted_ones_until_they_are_swept(api: APIClient, project) -> None:
    for name in "abc":
        assert put(api, name, MEGABYTE)[0] == 201
    assert quota.usage(project) == quota.Usage(MEGABYTE, 2 * MEGABYTE)
    for name in "abc":
        api.delete(f"{P}/files/Resources/{name}")
    assert quota.usage(project) == quota.Usage(MEGABYTE, 2 * MEGABYTE, leftover=MEGABYTE)
    sweep_a_day_later()
    assert quota.usage(project).used == 0
    assert not IncomingFile.objects.exists()


def give_up_a_file(api: APIClient, letter: bytes) -> None:
    assert put(api, "a", MEGABYTE, letter)[0] in {200, 201, 413}
    api.delete(f"{P}/files/Resources/a")


def replace_a_file(api: APIClient, letter: bytes) -> None:
    assert put(api, "a", MEGABYTE, letter)[0] in {200, 201, 413}


def into_draft(api: APIClient, letter: bytes, path: str = "a") -> str:
    upload = api.post(f"{P}/models/iris/uploads/", {"version": 1, "overwrite": True}, format="json").json()[
        "id"
    ]
    url = f"{P}/uploads/{upload}/files/{path}"
    api.generic("PUT", url, letter * MEGABYTE, "application/octet-stream")
    return str(upload)


def replace_a_file_of_a_draft(api: APIClient, letter: bytes) -> None:
    upload = into_draft(api, letter)
    for each in (letter + b"1", letter + b"2"):
        data = (each * MEGABYTE)[:MEGABYTE]
        api.generic("PUT", f"{P}/uploads/{upload}/files/a", data, "application/octet-stream")


def discard_a_draft(api: APIClient, letter: bytes) -> None:
    api.delete(f"{P}/uploads/{into_draft(api, letter)}/")


def overwrite_a_version(api: APIClient, letter: bytes) -> None:
    api.post(f"{P}/uploads/{into_draft(api, letter)}/finalise/")


def delete_a_version(api: APIClient, letter: bytes) -> None:
    overwrite_a_version(api, letter)
    api.delete(f"{P}/models/iris/versions/1/")


def delete_a_model(api: APIClient, letter: bytes) -> None:
    overwrite_a_version(api, letter)
    api.delete(f"{P}/models/iris/")


def send_what_gets_no_name(api: APIClient, letter: bytes) -> None:
    upload = api.post(f"{P}/models/iris/uploads/", {}, format="json").json()["id"]
    for path in ("Same", "same"):
        data = (letter + path.encode()) * (MEGABYTE // 5)
        api.generic("PUT", f"{P}/uploads/{upload}/files/{path}", data, "application/octet-stream")


WAYS = [
    give_up_a_file,
    replace_a_file,
    replace_a_file_of_a_draft,
    discard_a_draft,
    overwrite_a_version,
    delete_a_version,
    delete_a_model,
    send_what_gets_no_name,
]


@pytest.mark.parametrize("way", WAYS)
def test_no_way_of_sending_and_giving_up_fills_the_disk(
    way: Callable[[APIClient, bytes], None], api: APIClient, project, settings
) -> None:
    def on_disk() -> int:
        return sum(path.stat().st_size for path in settings.BLOB_DIR.rglob("*") if path.is_file())

    before = on_disk()
    for letter in b"abcdef":
        way(api, bytes([letter]))
    assert sum(Blob.objects.values_list("size", flat=True)) <= 2 * MEGABYTE
    assert on_disk() - before <= 2 * MEGABYTE
    used = quota.usage(project).used
    assert sum(Blob.objects.values_list("size", flat=True)) == used
    ProjectFile.objects.all().delete()
    ModelVersion.objects.all().delete()
    sweep_a_day_later()
    assert quota.usage(project).used == 0
    assert put(api, "room", 2 * MEGABYTE)[0] == 201


def test_what_was_given_up_and_is_named_again_counts_once(api: APIClient, people: People) -> None:
    for _ in range(3):
        give_up_a_file(api, b"x")
    assert Leftover.objects.count() == 1
    put(api, "b", MEGABYTE)
    assert quota.usage(people.project) == quota.Usage(MEGABYTE, 2 * MEGABYTE)
    services.sweep_blobs()
    assert not Leftover.objects.exists()


def test_what_another_project_names_is_not_left_over(api: APIClient, people: People) -> None:
    put(api, "a", MEGABYTE)
    elsewhere = people.charlie.projects.get()
    ProjectFile.objects.create(project=elsewhere, path="Resources/a", blob=Blob.objects.get())
    api.delete(f"{P}/files/Resources/a")
    assert quota.usage(people.project).used == 0


def test_the_refusal_and_the_pages_tell_what_was_deleted(
    api: APIClient, people: People, browser_of: Callable[..., Client]
) -> None:
    give_up_a_file(api, b"x")
    said = put(api, "b", MEGABYTE + 1, b"y")[1]["error"]["message"]
    assert (
        "uses 1.0 MB, 1.0 MB of it deleted within the last day and on the disk still, and 1.0 MB more" in said
    )
    page = browser_of(people.vera).get("/projects/garden/resources/").content.decode().replace("\xa0", " ")
    assert "1.0 MB of it is deleted and goes within a day" in page


def begin(api: APIClient, name: str, size: int, **said: object) -> tuple[int, dict]:
    answer = api.post(f"{P}/incoming/", {"path": f"Resources/{name}", "size": size, **said}, format="json")
    return answer.status_code, answer.json()


def test_the_sha256_of_a_kept_file_is_no_way_round_the_quota(api: APIClient) -> None:
    put(api, "a", 1000)
    sha256 = Blob.objects.get().sha256
    assert begin(api, "b", 200 * MEGABYTE, sha256=sha256)[0] == 413
    assert begin(api, "b", 1000, sha256=sha256)[0] == 201
    assert put(api, "c", 200 * MEGABYTE, b"", **{"X-Content-SHA256": sha256})[0] in {400, 413}


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
def test_uploads_begun_at_once_do_not_pass_together(transactional_db: None, api: APIClient) -> None:
    statuses: list[int] = []

    def ask(number: int) -> None:
        statuses.append(begin(api, str(number), MEGABYTE)[0])
        connection.close()

    senders = [threading.Thread(target=ask, args=[number]) for number in range(6)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert sorted(statuses) == [201, 201, 413, 413, 413, 413]


def test_announced_bytes_that_are_kept_already_need_no_room(api: APIClient) -> None:
    put(api, "a", 2 * MEGABYTE)
    sha256 = Blob.objects.get().sha256
    assert put(api, "b", 2 * MEGABYTE, **{"X-Content-SHA256": sha256})[0] == 201


def test_drafts_and_uploads_under_way_count(api: APIClient, owner: Access, project) -> None:
    draft = services.start_upload(access=owner, model_name="iris")
    services.add_file(draft=draft, path="a", blob=storage.receive([b"x" * 1000]))
    IncomingFile.objects.create(
        project=project, path="Resources/b", size=MEGABYTE, chunk_bytes=MEGABYTE, created_by=owner.user
    )
    assert quota.usage(project).used == MEGABYTE + 1000
    assert put(api, "c", MEGABYTE)[0] == 413


def test_another_projects_files_do_not_count(people: People, api: APIClient) -> None:
    elsewhere = people.charlie.projects.get()
    ProjectFile.objects.create(
        project=elsewhere, path="Resources/a", blob=storage.receive([b"z" * 2 * MEGABYTE])
    )
    assert put(api, "a", MEGABYTE)[0] == 201


@pytest.mark.parametrize("limit", [None, 0])
def test_without_a_quota_only_the_disk_limits(limit: int | None, project, api: APIClient) -> None:
    project.quota_mb = limit
    project.save()
    assert put(api, "a", 3 * MEGABYTE)[0] == 201


def test_the_installations_quota_holds_for_projects_without_one(project, api: APIClient, settings) -> None:
    settings.PROJECT_QUOTA_MB = 1
    project.quota_mb = None
    project.save()
    assert put(api, "a", MEGABYTE + 1)[0] == 413


@pytest.mark.parametrize("unpack", [True, False])
def test_an_export_over_the_quota_leaves_nothing(
    unpack: bool, people: People, browser_of: Callable[..., Client]
) -> None:
    halves = [(name, name.encode() * (MEGABYTE + 1)) for name in "ab"]
    files = [SimpleUploadedFile(name, data) for name, data in halves]
    if unpack:
        files = [SimpleUploadedFile("a.zip", zipped(*halves))]
    form = {"name": "iris", "file": files} | ({"unpack": "on"} if unpack else {})
    answer = browser_of(people.bob).post("/projects/garden/export/", form)
    assert answer.status_code in {400, 413}
    assert "garden may keep 2.0 MB and uses" in answer.content.decode()
    assert not RegisteredModel.objects.exists()
    assert not Blob.objects.exists()


def test_a_long_file_without_an_announced_size_is_stopped_on_the_way(project) -> None:
    sent = 0

    def pieces() -> object:
        nonlocal sent
        for _ in range(1000):
            sent += MEGABYTE
            yield bytes(MEGABYTE)

    with pytest.raises(quota.OverQuota):
        storage.receive(quota.Meter(project).through(pieces()))
    assert sent < 100 * MEGABYTE
    assert not Blob.objects.exists()


def test_bytes_that_passed_the_first_look_together_do_not_pass_the_last(owner: Access) -> None:
    one, two = (storage.receive([letter * (MEGABYTE + 1)]) for letter in (b"1", b"2"))
    services.save_file(access=owner, path="Resources/one", blob=one)
    with pytest.raises(quota.OverQuota, match="may keep 2.0 MB and uses 2.0 MB"):
        services.save_file(access=owner, path="Resources/two", blob=two)
    assert [file.path for file in ProjectFile.objects.all()] == ["Resources/one"]


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
def test_senders_at_once_do_not_pass_together(transactional_db: None, people: People, owner: Access) -> None:
    blobs = [storage.receive([bytes([number]) * 900_000]) for number in range(6)]
    outcomes: list[str] = []

    def name(number: int) -> None:
        try:
            services.save_file(access=owner, path=f"Resources/{number}", blob=blobs[number])
            outcomes.append("kept")
        except quota.OverQuota:
            outcomes.append("refused")
        finally:
            connection.close()

    senders = [threading.Thread(target=name, args=[number]) for number in range(6)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert sorted(outcomes) == ["kept"] * 2 + ["refused"] * 4
    assert ProjectFile.objects.count() == 2


def test_what_artifacts_hold_of_an_overwritten_version_counts(export, project) -> None:
    from models_registry.models import Artifact, ArtifactFile

    version: ModelVersion = export(files={"a": "old bytes"})
    artifact = Artifact.objects.create(version=version, digest="0" * 64)
    ArtifactFile.objects.create(artifact=artifact, path="a", blob=version.files.get().blob)
    export(files={"a": "new"}, number=1, may_overwrite=True)
    assert quota.usage(project).used == len("old bytes") + len("new")


def test_pages_show_what_is_used(api: APIClient, people: People, browser_of: Callable[..., Client]) -> None:
    put(api, "a", MEGABYTE // 2)
    for page in ("resources", "models"):
        said = browser_of(people.vera).get(f"/projects/garden/{page}/").content.decode().replace("\xa0", " ")
        assert "512.0 KB of 2.0 MB used" in said


def test_a_form_larger_than_the_quota_is_refused_before_it_is_read(
    people: People, browser_of: Callable[..., Client]
) -> None:
    form = {"file": io.BytesIO(b"x" * 3 * MEGABYTE)}
    answer = browser_of(people.bob).post("/projects/garden/resources/", form)
    assert answer.status_code == 413
    assert "more would not fit" in answer.content.decode()
