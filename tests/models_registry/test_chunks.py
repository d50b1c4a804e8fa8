"""Files in chunks over REST: in any order, several at once, again, wrong, interrupted, and left alone."""

import hashlib
import io
import random
import resource
import socket
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from rest_framework.test import APIClient

from accounts.access import Access
from accounts.models import ApiKey
from models_registry import quota, services, storage
from models_registry.incoming import completing, part_files
from models_registry.incoming import services as incoming
from models_registry.incoming.layout import LARGEST_CHUNK_BYTES, Layout, runs
from models_registry.models import Blob, IncomingChunk, IncomingFile, ModelVersion, ProjectFile
from tests.conftest import People
from tests.models_registry.crafted import zipped
from tests.waiting import eventually

P = "/api/projects/garden"
CHUNK = 1000
BYTES = random.Random(4).randbytes(4500)
CHUNKS = [BYTES[start : start + CHUNK] for start in range(0, len(BYTES), CHUNK)]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def draft(api: APIClient) -> str:
    return str(api.post(f"{P}/models/iris/uploads/", {}, format="json").json()["id"])


def begin(api: APIClient, **said: object) -> Any:
    announced = {"path": "Resources/knn.pkl", "size": len(BYTES), "chunk_bytes": CHUNK, **said}
    return api.post(f"{P}/incoming/", announced, format="json")


def begun(api: APIClient, **said: object) -> str:
    answer = begin(api, **said)
    assert answer.status_code in {200, 201}, answer.json()
    return str(answer.json()["id"])


def put(api: APIClient, file: str, number: int, data: bytes | None = None, sha256: str | None = None) -> Any:
    data = CHUNKS[number] if data is None else data
    headers = {} if sha256 == "" else {"X-Content-SHA256": sha256 or digest(data)}
    url = f"{P}/incoming/{file}/chunks/{number}/"
    return api.generic(
        "PUT", url, data, "application/octet-stream", headers=headers, CONTENT_LENGTH=str(len(data))
    )


def complete(api: APIClient, file: str) -> Any:
    return api.post(f"{P}/incoming/{file}/complete/")


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def parts(settings: LazySettings) -> list[Path]:
    return list(Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir())


def sweep() -> None:
    """A day has passed."""
    Blob.objects.update(touched_at="2020-01-01T00:00:00Z")
    services.sweep_blobs()


def stored(api: APIClient, path: str = "Resources/knn.pkl") -> bytes:
    return b"".join(api.get(f"{P}/files/{path}").streaming_content)


def test_chunks_in_any_order_become_a_file_of_the_version(
    api: APIClient, draft: str, settings: LazySettings
) -> None:
    file = begun(api, upload=draft, path="data/knn.pkl", sha256=digest(BYTES))
    for number in (3, 0, 4, 2, 1):
        assert put(api, file, number).status_code == 204
    answer = complete(api, file)
    assert answer.status_code == 201
    assert answer.json()["files"][0]["path"] == "data/knn.pkl"
    assert answer.json()["files"][0]["sha256"] == digest(BYTES)
    api.post(f"{P}/uploads/{draft}/finalise/")
    assert stored(api, "Models/iris/1/data/knn.pkl") == BYTES
    assert not parts(settings)
    assert not IncomingFile.objects.exists()


def test_a_free_file_is_replaced_by_one_in_chunks(api: APIClient) -> None:
    api.generic("PUT", f"{P}/files/Resources/knn.pkl", b"old", "application/octet-stream")
    file = begun(api)
    for number in range(5):
        put(api, file, number)
    assert complete(api, file).status_code == 201
    assert stored(api) == BYTES


def test_beginning_again_tells_what_is_there_and_keeps_the_chunk_size(api: APIClient, draft: str) -> None:
    said = {"upload": draft, "path": "knn.pkl", "sha256": digest(BYTES)}
    first = begin(api, **said)
    assert first.status_code == 201
    assert first.json()["missing"] == [0, 1, 2, 3, 4]
    put(api, first.json()["id"], 3)
    again = begin(api, **said, chunk_bytes=77)
    assert again.status_code == 200
    assert again.json()["id"] == first.json()["id"]
    assert (again.json()["chunk_bytes"], again.json()["chunk_count"]) == (CHUNK, 5)
    assert again.json()["missing"] == [0, 1, 2, 4]
    assert again.json()["chunks"] == [{"number": 3, "sha256": digest(CHUNKS[3])}]
    assert api.get(f"{P}/incoming/{first.json()['id']}/").json() == again.json()


@pytest.mark.parametrize(
    "other", [{"path": "Resources/x.tar"}, {"size": 9}, {"sha256": "0" * 64}, {"unpack": True}]
)
def test_other_words_begin_another_file(api: APIClient, other: dict[str, object]) -> None:
    same = {"path": "Resources/iris.tar"}
    assert begun(api, **same) != begun(api, **{**same, **other})


def test_somebody_elses_upload_of_the_same_name_is_another(
    api: APIClient, people: People, key_of: Callable[..., tuple[ApiKey, str]]
) -> None:
    alice = APIClient()
    alice.credentials(HTTP_AUTHORIZATION=f"ApiKey {key_of(people.alice)[1]}")
    assert begun(api) != begun(alice)


def test_a_chunk_again_changes_nothing_and_one_that_differs_is_refused(api: APIClient) -> None:
    file = begun(api)
    for _ in range(2):
        assert put(api, file, 1).status_code == 204
    refused = put(api, file, 1, b"y" * CHUNK)
    assert code(refused) == (409, "chunk_differs")
    assert "begin it anew" in refused.json()["error"]["message"]
    for number in (0, 2, 3, 4):
        put(api, file, number)
    assert complete(api, file).status_code == 201
    assert stored(api) == BYTES


@pytest.mark.parametrize(
    ("number", "data", "sha256", "expected"),
    [
        (0, b"x" * (CHUNK - 1), None, (400, "bad_chunk_bytes")),
        (0, b"x" * (CHUNK + 1), None, (400, "bad_chunk_bytes")),
        (0, b"", None, (400, "bad_chunk_bytes")),
        (4, CHUNKS[0], None, (400, "bad_chunk_bytes")),
        (5, CHUNKS[0], None, (400, "no_such_chunk")),
        (999_999_999_999_999_999_999, CHUNKS[0], None, (400, "no_such_chunk")),
        (0, CHUNKS[0], "0" * 64, (400, "wrong_hash")),
        (0, CHUNKS[0], "0" * 63, (400, "wrong_hash")),
        (0, CHUNKS[0], "", (400, "wrong_hash")),
    ],
)
def test_a_wrong_chunk_is_refused_and_not_kept(
    api: APIClient, number: int, data: bytes, sha256: str | None, expected: tuple[int, str]
) -> None:
    file = begun(api)
    assert code(put(api, file, number, data, sha256)) == expected
    assert not IncomingChunk.objects.exists()
    assert api.get(f"{P}/incoming/{file}/").json()["missing"] == [0, 1, 2, 3, 4]


def test_completing_names_the_missing_chunks_which_can_still_be_sent(api: APIClient) -> None:
    file = begun(api, sha256=digest(BYTES))
    for number in (0, 2):
        put(api, file, number)
    refused = complete(api, file)
    assert code(refused) == (409, "chunks_missing")
    assert refused.json()["error"]["message"].startswith("Chunks 1, 3-4 of Resources/knn.pkl are missing")
    for number in (1, 3, 4):
        put(api, file, number)
    assert complete(api, file).status_code == 201


def test_a_file_that_is_not_what_was_announced_leaves_nothing(api: APIClient, settings: LazySettings) -> None:
    file = begun(api, sha256="0" * 64)
    for number in range(5):
        put(api, file, number)
    refused = complete(api, file)
    assert code(refused) == (400, "wrong_hash")
    assert "changed while it was sent" in refused.json()["error"]["message"]
    assert not IncomingFile.objects.exists()
    assert not ProjectFile.objects.exists()
    assert not parts(settings)
    assert complete(api, file).status_code == 404


def test_bytes_that_the_disk_lost_are_asked_for_again(api: APIClient) -> None:
    file = begun(api)
    for number in range(5):
        put(api, file, number)
    with part_files.path_of(IncomingFile.objects.get().pk).open("r+b") as damaged:
        damaged.seek(2 * CHUNK + 7)
        damaged.write(b"flipped")
    refused = complete(api, file)
    assert code(refused) == (409, "chunks_missing")
    assert api.get(f"{P}/incoming/{file}/").json()["missing"] == [2]
    put(api, file, 2)
    assert complete(api, file).status_code == 201
    assert stored(api) == BYTES


def test_an_empty_file_is_one_empty_chunk(api: APIClient) -> None:
    file = begun(api, size=0, sha256=digest(b""))
    assert put(api, file, 0, b"").status_code == 204
    assert complete(api, file).status_code == 201
    assert stored(api) == b""


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a\\b", "a//b", "", "x\0y", "Models/iris/1/x"])
def test_a_bad_path_is_refused_before_any_byte(api: APIClient, path: str) -> None:
    assert begin(api, path=path).status_code == 400
    assert not IncomingFile.objects.exists()


@pytest.mark.parametrize(
    "said",
    [
        {"size": -1},
        {"size": "big"},
        {"sha256": "abc"},
        {"chunk_bytes": 0},
        {"upload": "7"},
        {"unpack": "perhaps"},
        {"size": 2**70},
    ],
)
def test_bad_words_are_refused_by_field(api: APIClient, said: dict[str, object]) -> None:
    answer = begin(api, **said)
    assert code(answer) == (400, "invalid")
    assert list(answer.json()["error"]["fields"]) == list(said)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"chunk_bytes": LARGEST_CHUNK_BYTES + 1}, (400, "bad_chunk_bytes")),
        ({"size": 10_000_000, "chunk_bytes": 100}, (400, "bad_chunk_bytes")),
        ({"size": 20_000_000_001}, (413, "too_large")),
    ],
)
def test_what_would_be_too_much_is_refused(
    api: APIClient, settings: LazySettings, said: dict[str, object], expected: tuple[int, str]
) -> None:
    settings.MAX_UPLOAD_BYTES = 20_000_000_000
    assert code(begin(api, **said)) == expected


def test_a_dropped_upload_leaves_nothing(api: APIClient, settings: LazySettings) -> None:
    file = begun(api)
    put(api, file, 0)
    assert parts(settings)
    assert api.delete(f"{P}/incoming/{file}/").status_code == 204
    assert not parts(settings)
    assert put(api, file, 1).status_code == 404
    assert not IncomingChunk.objects.exists()


def test_an_upload_of_another_project_is_not_found(
    api: APIClient, people: People, browser_of: Callable[..., APIClient]
) -> None:
    file = begun(api)
    url = f"/api/projects/elsewhere/incoming/{file}/"
    assert browser_of(people.charlie).get(url).status_code == 404


@pytest.mark.parametrize(("who", "expected"), [("alice", 204), ("bob", 204), ("vera", 403), ("charlie", 404)])
def test_who_may_send_chunks(
    api: APIClient, people: People, browser_of: Callable[..., Any], who: str, expected: int
) -> None:
    file = begun(api)
    assert put(browser_of(getattr(people, who)), file, 0).status_code == expected
    assert IncomingChunk.objects.count() == (expected == 204)


def test_chunks_nobody_goes_on_with_are_swept_after_a_day(api: APIClient, settings: LazySettings) -> None:
    for path in ("Resources/old", "Resources/new"):
        put(api, begun(api, path=path), 0)
    assert incoming.drop_abandoned() == 0
    IncomingFile.objects.filter(path="Resources/old").update(touched_at="2020-01-01T00:00:00Z")
    assert incoming.drop_abandoned() == 1
    assert [file.path for file in IncomingFile.objects.all()] == ["Resources/new"]
    assert len(parts(settings)) == 1


def test_a_draft_that_chunks_still_come_for_is_not_swept(api: APIClient, draft: str) -> None:
    put(api, begun(api, upload=draft, path="knn.pkl"), 0)
    ModelVersion.objects.update(created_at="2020-01-01T00:00:00Z")
    assert services.discard_abandoned() == 0
    IncomingFile.objects.update(touched_at="2020-01-01T00:00:00Z")
    assert services.discard_abandoned() == 1


def test_the_bytes_of_a_discarded_draft_go_with_the_next_sweep(
    api: APIClient, draft: str, settings: LazySettings
) -> None:
    file = begun(api, upload=draft, path="knn.pkl")
    put(api, file, 0)
    api.delete(f"{P}/uploads/{draft}/")
    assert put(api, file, 1).status_code == 404
    assert incoming.drop_abandoned() == 1
    assert not parts(settings)


def test_a_disk_that_fills_keeps_nothing_of_the_chunk_and_the_upload_goes_on(api: APIClient) -> None:
    chunk = 300_000
    data = [bytes([letter]) * chunk for letter in b"abc"]
    file = begun(api, size=3 * chunk, chunk_bytes=chunk)
    assert put(api, file, 0, data[0]).status_code == 204
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (chunk + chunk // 2, before[1]))
    try:
        answer = put(api, file, 1, data[1])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert code(answer) == (507, "storage_full")
    assert api.get(f"{P}/incoming/{file}/").json()["missing"] == [1, 2]
    for number in (1, 2):
        assert put(api, file, number, data[number]).status_code == 204
    assert complete(api, file).status_code == 201
    assert stored(api) == b"".join(data)


def test_a_disk_that_is_full_at_the_end_leaves_the_chunks_for_another_try(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = begun(api, sha256=digest(BYTES))
    for number in range(5):
        put(api, file, number)

    def full(*_: object, **__: object) -> None:
        raise storage.StorageFull("The platform's disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(completing, "_kept", full)
        assert code(complete(api, file)) == (507, "storage_full")
    assert complete(api, file).status_code == 201
    assert stored(api) == BYTES


def test_chunks_without_a_hash_are_for_protocols_that_have_none(owner: Access) -> None:
    announced = incoming.Announced(path="Resources/knn.pkl", size=len(BYTES), chunk_bytes=CHUNK)
    file, _ = incoming.begin(access=owner, draft=None, announced=announced)
    for number in (4, 1, 0, 3, 2, 3):
        incoming.keep_chunk(file=file, number=number, pieces=[CHUNKS[number]])
    made = completing.complete(access=owner, file=file)
    assert [each.blob_id for each in made] == [digest(BYTES)]


def send_archive(api: APIClient, entries: dict[str, bytes], **said: object) -> Any:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    data = packed.getvalue()
    file = begun(api, size=len(data), unpack=True, **said)
    for number in range(Layout(len(data), CHUNK).count):
        assert put(api, file, number, data[number * CHUNK :][:CHUNK]).status_code == 204
    return complete(api, file)


def test_an_archive_in_chunks_is_unpacked_when_asked(
    api: APIClient, draft: str, settings: LazySettings
) -> None:
    entries = {"iris/predictor.py": b"1", "iris/data/weights.bin": BYTES}
    for path, expected in (
        ({"path": "Resources/in/iris.zip"}, "Resources/in/"),
        ({"path": "x/iris.zip", "upload": draft}, "x/"),
    ):
        answer = send_archive(api, entries, **path)
        assert answer.status_code == 201, answer.json()
        assert {file["path"] for file in answer.json()["files"]} == {expected + name for name in entries}
    assert not parts(settings)
    assert not IncomingFile.objects.exists()


def test_a_refused_archive_leaves_nothing(api: APIClient, settings: LazySettings) -> None:
    answer = send_archive(api, {"fine.txt": BYTES, "../escape": b"x"}, path="Resources/iris.zip")
    assert answer.status_code == 400
    assert not ProjectFile.objects.exists()
    assert not Blob.objects.exists()
    assert not IncomingFile.objects.exists()
    assert not parts(settings)


def test_what_is_no_archive_is_not_begun_to_be_unpacked(api: APIClient) -> None:
    refused = begin(api, path="Resources/model.pkl", unpack=True)
    assert code(refused) == (400, "bad_archive")
    assert "cannot be unpacked" in refused.json()["error"]["message"]


def test_a_path_the_version_cannot_take_is_refused_before_any_byte(api: APIClient, draft: str) -> None:
    url = f"{P}/uploads/{draft}/files/data/model.pkl"
    api.generic("PUT", url, b"x", "application/octet-stream")
    for path in ("data/Model.pkl", "data", "data/model.pkl/x", "Artifacts/1/x"):
        assert code(begin(api, upload=draft, path=path)) == (400, "bad_path"), path
    assert begin(api, upload=draft, path="data/model.pkl").status_code == 201


def test_what_is_on_its_way_counts_towards_the_quota(api: APIClient, people: People) -> None:
    people.project.quota_mb = 1
    people.project.save()
    first = begun(api, path="Resources/a", size=700_000)
    refused = begin(api, path="Resources/b", size=700_000)
    assert code(refused) == (413, "over_quota")
    api.delete(f"{P}/incoming/{first}/")
    file = begun(api, path="Resources/b", size=700_000, chunk_bytes=700_000)
    assert put(api, file, 0, b"x" * 700_000).status_code == 204
    assert complete(api, file).status_code == 201


@pytest.mark.parametrize("when", ["before", "between"])
def test_a_file_that_no_longer_fits_at_the_end_is_completed_once_it_does(
    when: str, api: APIClient, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The room is gone before anybody looks, or between the look and the name."""
    if when == "between":
        monkeypatch.setattr(quota, "check_arrived", lambda *_: None)
    file = begun(api, size=700_000, chunk_bytes=700_000)
    put(api, file, 0, b"x" * 700_000)
    people.project.quota_mb = 1
    people.project.save()
    ProjectFile.objects.create(
        project=people.project,
        path="Resources/meanwhile",
        blob=Blob.objects.create(sha256="0" * 64, size=900_000),
    )
    assert code(complete(api, file)) == (413, "over_quota")
    assert Blob.objects.count() == ProjectFile.objects.count() == 1
    assert api.get(f"{P}/incoming/{file}/").json()["missing"] == []
    ProjectFile.objects.all().delete()
    assert complete(api, file).status_code == 201
    assert stored(api) == b"x" * 700_000


def test_of_two_that_are_done_the_first_gets_the_room_and_the_other_waits_for_some(
    api: APIClient, people: People, settings: LazySettings
) -> None:
    data = [letter * 700_000 for letter in (b"a", b"b")]
    files = [begun(api, path=f"Resources/{n}", size=700_000, chunk_bytes=700_000) for n in (0, 1)]
    for file, each in zip(files, data, strict=True):
        put(api, file, 0, each)
    people.project.quota_mb = 1
    people.project.save()
    assert complete(api, files[0]).status_code == 201
    assert code(complete(api, files[1])) == (413, "over_quota")
    assert api.delete(f"{P}/files/Resources/0").status_code == 204
    sweep()
    assert complete(api, files[1]).status_code == 201
    assert not parts(settings)


def test_an_archive_that_finds_no_room_is_unpacked_once_there_is_some(api: APIClient, people: People) -> None:
    people.project.quota_mb = 1
    people.project.save()
    data = zipped(("zeros", bytes(1_200_000)))
    file = begun(api, path="Resources/a.zip", size=len(data), chunk_bytes=len(data), unpack=True)
    put(api, file, 0, data)
    assert code(complete(api, file)) == (413, "over_quota")
    assert not Blob.objects.exists()
    people.project.quota_mb = 2
    people.project.save()
    assert complete(api, file).status_code == 201
    assert stored(api, "Resources/zeros") == bytes(1_200_000)
    assert not IncomingFile.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_chunk_that_breaks_off_leaves_nothing_behind(
    live_server: Any, people: People, key_of: Callable[..., tuple[ApiKey, str]], settings: LazySettings
) -> None:
    announced = incoming.Announced(path="Resources/x", size=5_000_000)
    file, _ = incoming.begin(access=people.access(people.bob), draft=None, announced=announced)
    head = (
        f"PUT {P}/incoming/{file.pk}/chunks/0/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Authorization: ApiKey {key_of(people.bob)[1]}\r\nContent-Type: application/octet-stream\r\n"
        f"X-Content-SHA256: {'0' * 64}\r\nContent-Length: 5000000\r\n\r\n"
    )
    with socket.create_connection((live_server.thread.host, live_server.thread.port)) as client:
        client.sendall(head.encode() + b"x" * 100_000)
        client.shutdown(socket.SHUT_WR)
        answer = client.makefile("rb").read().decode()
    assert answer.startswith("HTTP/1.1 400")
    assert "100000 of 5000000 bytes of chunk 0 arrived; send the chunk again." in answer
    assert not IncomingChunk.objects.exists()
    assert not Blob.objects.exists()
    eventually(lambda: not parts(settings))


def test_the_last_chunk_is_what_is_left() -> None:
    layout = Layout(4500, 1000)
    assert [layout.length(number) for number in range(layout.count)] == [1000, 1000, 1000, 1000, 500]
    assert Layout(4000, 1000).count == 4
    assert runs([0, 1, 2, 5, 7, 8]) == "0-2, 5, 7-8"
    assert runs(list(range(0, 40, 2))).endswith("16, 18 and more")


@pytest.fixture(autouse=True)
def _nothing_from_other_tests(settings: LazySettings, tmp_path: Path) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path / "uploads"
    settings.FILE_UPLOAD_TEMP_DIR.mkdir()
