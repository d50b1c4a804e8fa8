"""Exporting, showing, downloading and deleting models and files."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from models_registry.models import ModelVersion, ProjectFile, RegisteredModel
from serving.models import Serving
from tests.conftest import People
from tests.pages.conftest import Pages

BOUNDARY = "hops"


def body(fields: dict[str, str], files: list[tuple[str, str, str]]) -> bytes:
    """A multipart body as browsers send it: the file name of a chosen folder's file is its path."""
    parts = [f'name="{name}"\r\n\r\n{value}' for name, value in fields.items()]
    parts += [
        f'name="{field}"; filename="{name}"\r\nContent-Type: text/plain\r\n\r\n{text}'
        for field, name, text in files
    ]
    text = "".join(f"--{BOUNDARY}\r\nContent-Disposition: form-data; {part}\r\n" for part in parts)
    return f"{text}--{BOUNDARY}--\r\n".encode()


def export(pages: Pages, fields: dict[str, str], *files: tuple[str, str, str]) -> Any:
    return pages.client.post(
        "/projects/garden/export/",
        body({"name": "hops", **fields}, list(files)),
        content_type=f"multipart/form-data; boundary={BOUNDARY}",
    )


def paths() -> list[str]:
    return list(ProjectFile.objects.order_by("path").values_list("path", flat=True))


def test_a_folder_keeps_its_structure_and_loses_its_own_name(bob: Pages) -> None:
    export(bob, {}, ("folder", "hops/predictor.py", "1"), ("folder", "hops/data/deep/x.txt", "2"))
    assert paths() == ["data/deep/x.txt", "predictor.py"]


def test_files_and_a_folder_come_together(bob: Pages) -> None:
    export(bob, {}, ("folder", "hops/a.txt", "1"), ("file", "b.txt", "2"), ("file", "C:/fake/c.txt", "3"))
    assert paths() == ["a.txt", "b.txt", "c.txt"]


@pytest.mark.parametrize("name", ["hops/../../x", "hops//x", "hops/a\\b", "/etc/x/../y"])
def test_a_path_that_leaves_its_folder_is_refused_and_nothing_stays(bob: Pages, name: str) -> None:
    response = export(bob, {}, ("folder", "hops/fine.txt", "1"), ("folder", name, "2"))
    assert response.status_code == 400
    assert b'class="errorlist"' in response.content
    assert not ModelVersion.objects.exists()
    assert not RegisteredModel.objects.exists()


def test_the_form_carries_everything_a_version_says_of_itself(bob: Pages) -> None:
    fields = {
        "number": "3",
        "metrics": "accuracy=0.97\nkind=knn\nbad=nan",
        "framework": "sklearn",
        "description": "d",
    }
    response = export(bob, fields, ("file", "m.pkl", "x"))
    assert response["Location"] == "/projects/garden/models/hops/3/"
    version = ModelVersion.objects.get()
    assert version.metrics == {"accuracy": 0.97, "kind": "knn", "bad": "nan"}
    assert (version.framework, version.description) == ("sklearn", "d")


@pytest.mark.parametrize(
    ("fields", "files", "field"),
    [
        ({"name": "no spaces"}, [("file", "m", "x")], "id_name_error"),
        ({"number": "0"}, [("file", "m", "x")], "id_number_error"),
        ({"metrics": "accuracy 3"}, [("file", "m", "x")], "id_metrics_error"),
        ({}, [], "id_file_error"),
        ({}, [("file", "m", "")], "id_file_error"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(
    bob: Pages, fields: dict[str, str], files: list[tuple[str, str, str]], field: str
) -> None:
    response = export(bob, {"description": "kept as typed", **fields}, *files)
    assert response.status_code == 400
    assert field.encode() in response.content
    assert b"kept as typed" in response.content
    assert not ModelVersion.objects.exists()


def test_an_existing_version_is_replaced_only_when_asked(version: ModelVersion, bob: Pages) -> None:
    fields = {"name": "iris", "number": "1"}
    response = export(bob, fields, ("file", "new.txt", "x"))
    assert b"ask to overwrite it" in response.content
    export(bob, {**fields, "may_overwrite": "on"}, ("file", "new.txt", "x"))
    assert paths() == ["new.txt"]


def test_too_many_files_are_refused_with_a_sentence(bob: Pages, settings: LazySettings) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    response = export(bob, {}, *[("file", f"{n}.txt", "x") for n in range(3)])
    assert response.status_code == 400
    assert b"at most 2 files" in response.content


def test_an_upload_needs_its_csrf_token(people: People) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(people.bob)
    response = client.post(
        "/projects/garden/export/", {"name": "hops", "file": SimpleUploadedFile("m", b"x")}
    )
    assert response.status_code == 403
    assert not ModelVersion.objects.exists()


def test_a_viewers_upload_is_refused_before_it_is_read(
    vera: Pages, settings: LazySettings, tmp_path: Path
) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path / "uploads"
    assert export(vera, {}, ("file", "m", "x")).status_code == 403
    assert not (tmp_path / "uploads").exists()


def test_the_version_page_shows_files_metrics_and_who_uses_it(serving: Serving, bob: Pages) -> None:
    content = bob.get("models/iris/1/").content.decode()
    for shown in (
        "predictor.py",
        "accuracy",
        "0.97",
        "Nearest neighbours",
        "Iris",
        "?script=Models/iris/1/predictor.py",
    ):
        assert shown in content


def test_a_version_downloads_as_a_zip_with_its_folders(bob: Pages) -> None:
    export(bob, {}, ("folder", "hops/a.txt", "one"), ("folder", "hops/deep/b.txt", "two"))
    response = bob.get("models/hops/1/download/")
    assert response.streaming
    with zipfile.ZipFile(io.BytesIO(response.getvalue())) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "a.txt": b"one",
            "deep/b.txt": b"two",
        }


def test_a_file_downloads_as_an_attachment(version: ModelVersion, bob: Pages) -> None:
    response = bob.get("files/Models/iris/1/weights.txt")
    assert response.getvalue() == b"1 2 3\n"
    assert response["Content-Disposition"].startswith("attachment")
    assert response["X-Content-Type-Options"] == "nosniff"


def test_deleting_asks_first_and_refuses_what_a_serving_uses(serving: Serving, bob: Pages) -> None:
    assert b"is used by Iris" in bob.get("models/iris/1/delete/").content
    for path in ("models/iris/1/delete/", "models/iris/delete/"):
        response = bob.post(path, follow=True)
        assert b"is used by Iris" in response.content
    assert ModelVersion.objects.exists()


def test_an_unused_version_and_model_are_deleted(version: ModelVersion, bob: Pages) -> None:
    export(bob, {"name": "iris"}, ("file", "m", "x"))
    bob.post("models/iris/1/delete/")
    assert [each.number for each in ModelVersion.objects.all()] == [2]
    bob.post("models/iris/delete/")
    assert not RegisteredModel.objects.exists()


def test_an_empty_list_teaches(alice: Pages, vera: Pages) -> None:
    assert b"model.export(" in alice.get("models/").content
    assert b"No models yet" in vera.get("models/").content


def test_resources_are_uploaded_replaced_and_deleted(bob: Pages) -> None:
    for text in (b"one", b"two"):
        files = [SimpleUploadedFile("a.py", text), SimpleUploadedFile("b.csv", text)]
        bob.post("resources/", {"file": files, "folder": "shared"})
    assert paths() == ["Resources/shared/a.py", "Resources/shared/b.csv"]
    assert bob.get("files/Resources/shared/a.py").getvalue() == b"two"
    assert b"Delete" in bob.get("delete-file/Resources/shared/a.py").content
    bob.post("delete-file/Resources/shared/a.py")
    assert paths() == ["Resources/shared/b.csv"]


def test_a_resource_cannot_leave_its_folder(bob: Pages) -> None:
    response = bob.post("resources/", {"file": SimpleUploadedFile("a", b"x"), "folder": "../Models"})
    assert response.status_code == 400
    assert b"must stay inside" in response.content
    assert paths() == []
