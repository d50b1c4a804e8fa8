"""The store of bytes, on a directory and on a real S3 server: the same promises on both."""

import io
import os
import resource
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.files.storage import storages
from django.db import connection
from rest_framework.test import APIClient

from accounts.access import Access
from config.environment import Environment
from config.storages import blobs
from models_registry import services, storage
from models_registry.models import Blob, ModelVersion, ProjectFile
from tests.models_registry.s3_server import BUCKET, S3Server, running

P = "/api/projects/garden"
BYTES = bytes(range(256)) * 40_000  # 10 MB: an upload of several parts


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(params=["directory", "bucket"])
def place(request: pytest.FixtureRequest, settings, tmp_path: Path) -> str:
    """Point the platform at an empty directory, or at the bucket."""
    settings.BLOB_DIR = tmp_path / "blobs"
    store = blobs(Environment({}), settings.BLOB_DIR)
    if request.param == "bucket":
        store = request.getfixturevalue("s3").storage(PREFIX="a/prefix/")
    settings.STORAGES = settings.STORAGES | {"blobs": store}
    kind: str = request.param
    return kind


def put(api: APIClient, path: str, data: bytes, **headers: str) -> tuple[int, dict]:
    answer = api.generic(
        "PUT",
        f"{P}/files/Resources/{path}",
        data,
        "application/octet-stream",
        headers=headers,
        CONTENT_LENGTH=str(len(data)),
    )
    return answer.status_code, answer.json()


def content(api: APIClient, path: str, **headers: str) -> bytes:
    return api.get(f"{P}/files/Resources/{path}", headers=headers).getvalue()


def stored(blob: Blob) -> bool:
    return bool(storages["blobs"].exists(f"{blob.sha256[:2]}/{blob.sha256}"))


@pytest.mark.parametrize("data", [b"", b"small", BYTES], ids=["empty", "small", "large"])
def test_bytes_come_back_as_they_were(data: bytes, place: str, api: APIClient, settings) -> None:
    assert put(api, "weights.bin", data)[0] == 201
    assert content(api, "weights.bin") == data
    assert not list(settings.BLOB_DIR.glob("incoming-*"))


def test_files_are_read_in_ranges(place: str, api: APIClient) -> None:
    put(api, "weights.bin", BYTES)
    for first, last in ((0, 0), (1_000_001, 5_000_000), (len(BYTES) - 1, len(BYTES) + 5)):
        assert content(api, "weights.bin", range=f"bytes={first}-{last}") == BYTES[first : last + 1]


def test_an_open_file_can_be_sought_in(place: str, db: None) -> None:
    blob = storage.receive([BYTES])
    with storage.open(blob.sha256) as file:
        assert (file.seek(0, io.SEEK_END), file.read()) == (len(BYTES), b"")
        file.seek(-10, io.SEEK_CUR)
        assert file.read(4) == BYTES[-10:-6]
        file.seek(255)
        assert file.read(3) == b"\xff\x00\x01"


def test_a_version_downloads_as_a_zip_of_stored_bytes(
    place: str, export: Callable[..., ModelVersion], api: APIClient, browser_of, people
) -> None:
    export(files={"predictor.py": "print()", "data/weights.txt": "1 2 3"})
    answer = browser_of(people.bob).get("/projects/garden/models/iris/1/download/")
    assert answer["Content-Disposition"] == 'attachment; filename="iris_1.zip"'
    assert b"1 2 3" in answer.getvalue()


def test_swept_bytes_are_gone_and_come_back(place: str, api: APIClient) -> None:
    put(api, "a", b"same")
    blob = Blob.objects.get()
    api.delete(f"{P}/files/Resources/a")
    assert services.sweep_blobs() == 0
    Blob.objects.update(touched_at="2020-01-01T00:00:00Z")
    assert services.sweep_blobs() == 1
    assert not stored(blob)
    put(api, "a", b"same")
    assert content(api, "a") == b"same"


def test_a_sweep_that_began_before_the_bytes_came_again_leaves_them(place: str, api: APIClient) -> None:
    put(api, "a", b"same")
    stale = Blob.objects.get()
    put(api, "b", b"same")
    assert storage.sweep([stale]) == 0
    assert content(api, "b") == b"same"


def test_a_sweep_leaves_what_is_named_after_all(place: str, api: APIClient) -> None:
    put(api, "a", b"named")
    assert storage.sweep(Blob.objects.all()) == 0
    assert content(api, "a") == b"named"


def test_a_sweep_between_row_and_bytes_leaves_both(
    place: str, api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep found the old row; the sender has touched it and is about to bring the bytes."""
    put(api, "a", b"same")
    api.delete(f"{P}/files/Resources/a")
    Blob.objects.update(touched_at="2020-01-01T00:00:00Z")
    stale = Blob.objects.get()
    save = storages["blobs"].save

    def sweep_first(*args: object) -> str:
        assert storage.sweep([stale]) == 0
        return str(save(*args))

    monkeypatch.setattr(storages["blobs"], "save", sweep_first)
    put(api, "b", b"same")
    assert content(api, "b") == b"same"


def test_bytes_that_differ_from_what_was_announced_are_not_kept(place: str, api: APIClient) -> None:
    status, said = put(api, "a", b"weights", **{"X-Content-SHA256": "0" * 64})
    assert (status, said["error"]["code"]) == (400, "wrong_hash")
    assert not Blob.objects.exists()
    with pytest.raises(storage.Incomplete, match="7 of 8 announced bytes"):
        storage.receive([b"weights"], size=8)


def test_bytes_sent_again_heal_what_was_damaged(settings, api: APIClient, tmp_path: Path) -> None:
    settings.STORAGES = settings.STORAGES | {"blobs": blobs(Environment({}), tmp_path)}
    put(api, "a", b"weights")
    found = next(path for path in tmp_path.rglob("*") if path.is_file())
    assert found.stat().st_mode & 0o777 == 0o444
    found.chmod(0o600)
    found.write_bytes(b"flipped")
    put(api, "a", b"weights")
    assert content(api, "a") == b"weights"


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
def test_the_same_bytes_from_many_at_once_are_kept_once(place: str, transactional_db: None, settings) -> None:
    def send() -> None:
        storage.receive([BYTES[:1_000_000]])
        connection.close()

    senders = [threading.Thread(target=send) for _ in range(6)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    blob = Blob.objects.get()
    with storage.open(blob.sha256) as file:
        assert file.read() == BYTES[:1_000_000]
    assert not list(settings.BLOB_DIR.glob("incoming-*"))


def test_objects_lie_under_the_prefix(s3: S3Server, settings, tmp_path: Path, db: None) -> None:
    settings.STORAGES = settings.STORAGES | {"blobs": s3.storage(PREFIX="mine")}
    blob = storage.receive([b"prefixed"])
    assert f"mine/{blob.sha256[:2]}/{blob.sha256}" in s3.object_keys()


@pytest.mark.parametrize(
    "wrong", [{"SECRET_KEY": "wrong"}, {"BUCKET": "absent"}, {"ENDPOINT": "http://127.0.0.1:9"}]
)
def test_a_bucket_that_refuses_or_is_away_is_a_sentence_and_leaves_nothing(
    wrong: dict[str, str], s3: S3Server, settings, api: APIClient
) -> None:
    settings.STORAGES = settings.STORAGES | {"blobs": s3.storage(**wrong)}
    status, said = put(api, "a", b"homeless")
    assert (status, said["error"]["code"]) == (503, "storage_unavailable")
    assert "store did not take the file. Try again" in said["error"]["message"]
    assert not ProjectFile.objects.exists()


def test_bytes_the_store_lost_are_a_sentence(place: str, api: APIClient, people, browser_of) -> None:
    put(api, "a", b"lost")
    blob = Blob.objects.get()
    storages["blobs"].delete(f"{blob.sha256[:2]}/{blob.sha256}")
    answer = api.get(f"{P}/files/Resources/a")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "storage_unavailable")
    page = browser_of(people.bob).get("/projects/garden/files/Resources/a")
    assert page.status_code == 503
    assert "cannot be read just now" in page.content.decode()


@pytest.fixture
def tiny_disk(settings, tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB; where we may not mount one, files may not grow beyond 4 MB."""
    settings.MIN_FREE_BYTES = 0
    settings.BLOB_DIR = tmp_path / "tiny"
    settings.BLOB_DIR.mkdir()
    settings.STORAGES = settings.STORAGES | {"blobs": blobs(Environment({}), settings.BLOB_DIR)}
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(settings.BLOB_DIR)]
    if os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0:
        yield settings.BLOB_DIR
        subprocess.run(["umount", "--lazy", str(settings.BLOB_DIR)], check=True)
        return
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 * 1024**2, before[1]))
    yield settings.BLOB_DIR
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_disk_that_fills_in_the_middle_leaves_nothing(tiny_disk: Path, api: APIClient) -> None:
    status, said = put(api, "big", BYTES[: 6 * 1024**2])
    assert (status, said["error"]["code"]) == (507, "storage_full")
    assert "disk is full; ask its administrator to make room" in said["error"]["message"]
    assert not Blob.objects.exists()
    assert not ProjectFile.objects.exists()
    assert not [path for path in tiny_disk.rglob("*") if path.is_file()]
    assert put(api, "small", b"fits")[0] == 201


def test_a_disk_close_to_full_takes_nothing_more(api: APIClient, settings) -> None:
    settings.MIN_FREE_BYTES = 2**60
    status, said = put(api, "a", b"x")
    assert (status, said["error"]["code"]) == (507, "storage_full")
    assert "are to stay free" in said["error"]["message"]
    assert not Blob.objects.exists()


def test_a_form_on_a_full_disk_is_answered_with_a_page(settings, people, browser_of, owner: Access) -> None:
    settings.MIN_FREE_BYTES = 2**60
    answer = browser_of(people.bob).post("/projects/garden/resources/", {"file": io.BytesIO(b"x")})
    assert answer.status_code == 507
    assert "No room left" in answer.content.decode()


def test_the_bucket_is_named_by_the_environment_alone() -> None:
    assert blobs(Environment({}), Path("/b"))["BACKEND"].endswith("FileSystemStorage")
    store = blobs(Environment({"HOPYARD_S3_BUCKET": BUCKET}), Path("/b"))
    assert store["OPTIONS"]["access_key"] is None  # boto3 then asks the machine's role
