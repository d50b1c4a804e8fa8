"""Transformers, aliases, packages and artifacts: as settings, as Hopsworks' arguments, and fetched."""

import io
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

import hopyard
from hopyard import serving
from hopyard.client import Client, ConnectFailed
from hopyard.client.serving_records import TransformerResources
from tests.client.scripted import READY, SERVING, TRANSFORMED, Scripted, page, refuses, says, says_raw

PATH = "/api/projects/demo/servings/iris/"
SCRIPT = "Models/iris/1/predictor.py"
VERSION = "/api/projects/demo/models/iris/versions/1/"
FRONT = {**READY, "name": "iris-3-t0", "component": "transformer"}
FILES = {
    "weights.bin": b"\x00\x01",
    "data/räume.csv": b"1,2\n",
    "transformer-t.py": b"class Transformer: ...\n",
}


@pytest.fixture
def connected(scripted: Scripted) -> Client:
    return hopyard.connect(scripted.url, "hop_test", "demo")


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        (
            {"transformer": "/Projects/demo/Resources/t.py"},
            {"transformer": "Resources/t.py", "transformer_placement": "separate", "transformer_replicas": 1},
        ),
        (
            {"transformer": "t.py", "transformer_instances": 3, "artifact_version": 2},
            {"transformer": "t.py", "transformer_replicas": 3, "artifact_version": 2},
        ),
        ({"artifact_version": "CREATE"}, {"artifact_version": "CREATE", "transformer": ""}),
        ({"artifact_version": 0}, {"artifact_version": 0, "transformer": ""}),
    ],
)
def test_hopsworks_transformers_and_artifacts_become_settings(
    connected: Client, scripted: Scripted, said: dict[str, Any], sent: dict[str, Any]
) -> None:
    scripted.then(refuses(404, "not_found", "no"), says(201, SERVING))
    serving.create_or_update("iris", SCRIPT, **said)
    body = scripted.requests[1].json
    assert {name: body[name] for name in sent} == sent
    assert ("transformer_replicas" in body) == bool(body["transformer"])


def test_an_existing_serving_loses_the_transformer_that_is_no_longer_named(
    connected: Client, scripted: Scripted
) -> None:
    scripted.then(says(200, TRANSFORMED), says(200, SERVING))
    serving.create_or_update("iris", SCRIPT)
    assert scripted.requests[1].method == "PATCH"
    assert scripted.requests[1].json["transformer"] == ""


def test_the_readers_tell_of_a_transformer_in_replicas_of_its_own(
    connected: Client, scripted: Scripted
) -> None:
    scripted.on("GET", PATH, says(200, TRANSFORMED))
    ended = {**FRONT, "ended_at": "2026-01-02T03:04:05Z"}
    scripted.on("GET", f"{PATH}replicas/", page(FRONT, {**FRONT, "name": "x"}, READY, ended))
    assert serving.get_transformer("iris") == "Resources/transformer.py"
    assert serving.get_artifact_version("iris") == 2
    assert serving.get_available_instances("iris") == (1, 2)
    assert "(1 of 4 replicas ready)" in serving.describe("iris")


def test_a_transformer_in_the_predictors_process_has_no_instances_of_its_own(
    connected: Client, scripted: Scripted
) -> None:
    scripted.on("GET", PATH, says(200, {**TRANSFORMED, "transformer_placement": "inline"}))
    assert serving.get_available_instances("iris") == 1
    assert serving.get_transformer("iris") == "Resources/transformer.py"
    assert "(1 of 2 replicas ready)" in serving.describe("iris")


def test_the_record_carries_what_was_asked_for_and_what_was_made(client: Client, scripted: Scripted) -> None:
    scripted.then(says(200, TRANSFORMED))
    found = client.servings.get("iris")
    assert (found.alias, found.python, found.requirements) == ("champion", "3.12", "numpy==2.1\nscipy")
    assert found.transformer_resources == TransformerResources(cores=0.5, memory_mb=256)
    assert (found.environment, found.artifact_digest) == ("e" * 64, "d" * 64)
    assert found.preflight is not None
    assert found.preflight.has_passed


def test_a_start_waits_for_the_transformer_that_callers_come_to(client: Client, scripted: Scripted) -> None:
    scripted.then(says(200, TRANSFORMED))
    for replicas in ([READY], [READY, {**FRONT, "state": "Starting"}], [READY, FRONT]):
        scripted.then(says(200, TRANSFORMED), page(*replicas))
    client.servings.start("iris", wait=True)
    assert not scripted.queue


def test_an_alias_leaves_the_version_to_the_platform(client: Client, scripted: Scripted) -> None:
    scripted.then(says(201, SERVING))
    client.servings.create("iris", SCRIPT, alias="champion")
    assert scripted.requests[0].json == {
        "name": "iris",
        "script": SCRIPT,
        "model": "iris",
        "alias": "champion",
    }


def test_requirements_are_read_from_a_file_of_this_machine(
    client: Client, scripted: Scripted, tmp_path: Path
) -> None:
    file = tmp_path / "requirements.txt"
    file.write_bytes(b"\xef\xbb\xbfnumpy==2.1\n# caf\xc3\xa9\n")
    scripted.then(says(200, SERVING))
    client.servings.update("iris", requirements_file=file, python="3.12")
    assert scripted.requests[0].json == {"requirements": "numpy==2.1\n# café\n", "python": "3.12"}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(None, "There is no file"), (b"\xff\xfe\x00", "not text in UTF-8"), (b"#" * 65_537, "more than 64 KB")],
)
def test_requirements_that_cannot_be_read_are_refused(
    client: Client, scripted: Scripted, tmp_path: Path, content: bytes | None, complaint: str
) -> None:
    file = tmp_path / "requirements.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError, match=complaint):
        client.servings.update("iris", requirements_file=file)
    assert scripted.requests == []


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"requirements": "six", "requirements_file": "r.txt"}, "not both"),
        ({"python": 3.12}, 'text such as "3.12"'),
        ({"transformer_placement": "beside"}, "transformer_placement is one of separate, inline"),
        ({"transformer_replicas": 0}, "transformer_replicas is a whole number from 1"),
        ({"transformer": "Resources/t"}, "ends in .py"),
    ],
)
def test_settings_that_cannot_be_right_are_refused(
    client: Client, scripted: Scripted, given: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        client.servings.update("iris", **given)
    assert scripted.requests == []


def artifact(number: int, label: str = "") -> dict[str, Any]:
    files = [
        {"path": path, "size": len(data), "sha256": sha256(data).hexdigest()} for path, data in FILES.items()
    ]
    said = {"number": number, "label": label or str(number), "name": f"iris_1_{number}"}
    return {**said, "digest": digest(number), "files": files}


def digest(number: int) -> str:
    return sha256(b"%d" % number).hexdigest()


def summary(of: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in of.items() if name != "files"}


def zipped(number: int, **changed: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in {**FILES, **changed}.items():
            archive.writestr(f"{number}/{path}", data)
    return buffer.getvalue()


def offers(scripted: Scripted, archive: bytes) -> None:
    found = [artifact(2), artifact(1), artifact(0, "MODEL-ONLY")]
    scripted.on("GET", f"{VERSION}artifacts/", page(*map(summary, found)))
    for each in found:
        url = f"{VERSION}artifacts/{each['number'] or each['digest']}/"
        scripted.on("GET", url, says(200, each))
        scripted.on("GET", f"{url}download/", says_raw(200, archive, "application/zip"))


@pytest.mark.parametrize(("asked", "number"), [(None, 2), (1, 1), ("1", 1), ("MODEL-ONLY", 0), (0, 0)])
def test_an_artifact_comes_as_a_folder_of_its_number(
    client: Client, scripted: Scripted, tmp_path: Path, asked: int | str | None, number: int
) -> None:
    offers(scripted, zipped(number))
    folder = client.models.download_artifact("iris", 1, asked, tmp_path)
    assert folder == tmp_path / str(number)
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    assert [path.name for path in tmp_path.iterdir()] == [str(number)]


@pytest.mark.parametrize(
    "archive", [zipped(2, **{"weights.bin": b"\x00\x00"}), zipped(1), zipped(2)[:-30], b"<html>"]
)
def test_an_artifact_that_arrives_damaged_is_refused(
    client: Client, scripted: Scripted, tmp_path: Path, archive: bytes
) -> None:
    offers(scripted, archive)
    with pytest.raises(ConnectFailed, match="arrived damaged"):
        client.models.download_artifact("iris", 1, to=tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_artifact_there_is_not_or_that_is_here_already_is_said_so(
    client: Client, scripted: Scripted, tmp_path: Path
) -> None:
    offers(scripted, zipped(2))
    with pytest.raises(ValueError, match="no artifact 9; there are 1, 2, MODEL-ONLY"):
        client.models.download_artifact("iris", 1, 9, tmp_path)
    client.models.download_artifact("iris", 1, to=tmp_path)
    with pytest.raises(ValueError, match="already exists"):
        client.models.download_artifact("iris", 1, to=tmp_path)
    scripted.on("GET", f"{VERSION}artifacts/", page())
    with pytest.raises(ValueError, match="creating a serving of it builds one"):
        client.models.download_artifact("iris", 1, to=tmp_path)


def test_a_name_that_leads_out_of_the_folder_is_not_followed(
    client: Client, scripted: Scripted, tmp_path: Path
) -> None:
    wicked = {**artifact(2), "files": [{"path": "../../evil.py", "size": 1, "sha256": ""}]}
    scripted.on("GET", f"{VERSION}artifacts/", page(summary(wicked)))
    scripted.on("GET", f"{VERSION}artifacts/2/", says(200, wicked))
    with pytest.raises(ValueError, match="leads out of"):
        client.models.download_artifact("iris", 1, to=tmp_path / "here")
    assert not list(tmp_path.iterdir())
