"""Downloads: attachments that no browser shows, in whole or in ranges, and zips that are packed while sent."""

import io
import zipfile
from collections.abc import Callable

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.access import Access
from models_registry import downloads, services, storage
from models_registry.models import Artifact, ArtifactFile, ModelVersion
from tests.conftest import People

URL = "/api/projects/garden/files/Resources/digits.txt"
BYTES = b"0123456789"


@pytest.fixture
def etag(owner: Access) -> str:
    blob = storage.receive([BYTES])
    services.save_file(access=owner, path="Resources/digits.txt", blob=blob)
    return f'"{blob.sha256}"'


@pytest.fixture(params=["page", "api"])
def get(
    request: pytest.FixtureRequest, people: People, browser_of: Callable[..., Client], api: APIClient
) -> Callable[..., object]:
    """The same file by its page's link and by the API."""
    client = browser_of(people.bob) if request.param == "page" else api
    url = URL.removeprefix("/api") if request.param == "page" else URL
    return lambda method="get", **headers: getattr(client, method)(url, headers=headers)


def test_a_file_is_saved_and_never_shown(get, etag: str) -> None:
    answer = get()
    assert answer.getvalue() == BYTES
    assert {name: answer[name] for name in HEADERS} == HEADERS
    assert answer["ETag"] == etag
    assert answer["X-Content-SHA256"] == etag.strip('"')


HEADERS = {
    "Content-Type": "application/octet-stream",
    "Content-Disposition": 'attachment; filename="digits.txt"',
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox",
    "Accept-Ranges": "bytes",
    "Content-Length": "10",
}


@pytest.mark.parametrize(
    ("asked", "part", "place"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=3-", b"3456789", "bytes 3-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
        ("bytes=-99", BYTES, "bytes 0-9/10"),
        ("bytes=9-99", b"9", "bytes 9-9/10"),
    ],
)
def test_a_range_is_sent_alone(asked: str, part: bytes, place: str, get, etag: str) -> None:
    answer = get(range=asked)
    assert (answer.status_code, answer.getvalue()) == (206, part)
    assert (answer["Content-Range"], answer["Content-Length"]) == (place, str(len(part)))
    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["Content-Security-Policy"] == "sandbox"


@pytest.mark.parametrize(
    "asked", ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=9999999999999999999-", "bytes=11-12"]
)
def test_a_range_beyond_the_end_is_416(asked: str, get, etag: str) -> None:
    answer = get(range=asked)
    assert (answer.status_code, answer["Content-Range"]) == (416, "bytes */10")
    assert answer.getvalue() == b""


@pytest.mark.parametrize(
    "asked", ["", "bytes", "bytes=", "bytes=a-b", "bytes=5-2", "bytes=0-1,3-4", "lines=1-2", "bytes=١-٢"]
)
def test_what_is_no_single_range_gets_the_whole_file(asked: str, get, etag: str) -> None:
    answer = get(range=asked.encode().decode("latin-1"))
    assert (answer.status_code, answer.getvalue()) == (200, BYTES)


def test_if_range_guards_against_a_file_that_changed(get, etag: str) -> None:
    for condition, part in ((etag, b"0123"), ('"other"', BYTES), ("Sat, 21 Nov 2026 10:00:00 GMT", BYTES)):
        assert get(range="bytes=0-3", if_range=condition).getvalue() == part


def test_a_file_the_caller_has_is_not_sent_again(get, etag: str) -> None:
    answer = get(if_none_match=etag)
    assert (answer.status_code, answer.getvalue()) == (304, b"")
    assert get(if_none_match='"other"').getvalue() == BYTES
    assert get(if_match='"other"').status_code == 412


def test_head_tells_the_length_and_sends_nothing(get, etag: str) -> None:
    answer = get("head", range="bytes=0-3")
    assert (answer.status_code, answer["Content-Length"], answer.getvalue()) == (200, "10", b"")


@pytest.mark.parametrize("name", ["page.html", "päge.svg", 'a"b.html', "a;b.js"])
def test_any_name_stays_an_attachment(name: str, owner: Access, api: APIClient) -> None:
    script = b"<script>alert(1)</script>"
    services.save_file(access=owner, path=f"Resources/{name}", blob=storage.receive([script]))
    answer = api.get(f"/api/projects/garden/files/Resources/{name}")
    assert answer["Content-Disposition"].startswith("attachment; filename")
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer.getvalue() == script


def test_only_members_of_the_project_download(
    people: People, browser_of: Callable[..., Client], etag: str, owner: Access
) -> None:
    url = URL.removeprefix("/api")
    for member in (people.alice, people.bob, people.vera):
        assert browser_of(member).get(url).getvalue() == BYTES
    assert browser_of(people.charlie).get(url).status_code == 404


def test_an_artifact_is_a_zip_with_its_number_on_top(export: Callable[..., ModelVersion]) -> None:
    version = export(files={"predictor.py": "print()", "data/weights.txt": "1 2 3"})
    artifact = Artifact.objects.create(version=version, number=2, digest="0" * 64)
    ArtifactFile.objects.bulk_create(
        ArtifactFile(artifact=artifact, path=file.path, blob=file.blob) for file in version.files.all()
    )
    answer = downloads.artifact(artifact)
    assert answer["Content-Disposition"] == 'attachment; filename="iris_1_2.zip"'
    assert answer["Content-Security-Policy"] == "sandbox"
    archive = zipfile.ZipFile(io.BytesIO(answer.getvalue()))
    assert {name: archive.read(name) for name in archive.namelist()} == {
        "2/data/weights.txt": b"1 2 3",
        "2/predictor.py": b"print()",
    }


def test_a_zip_is_packed_while_it_is_sent(owner: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    draft = services.start_upload(access=owner, model_name="iris")
    for name in "ab":
        services.add_file(draft=draft, path=name, blob=storage.receive([name.encode() * 3_000_000]))
    version = services.finalise(access=owner, draft=draft)
    sizes = [len(piece) for piece in downloads.version(version).streaming_content]
    assert sum(sizes) > 6_000_000
    assert max(sizes) < 2_000_000
