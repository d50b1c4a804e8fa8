"""Artifacts through the API: how they are numbered, named, refused and downloaded."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from accounts.access import Access
from models_registry import services as registry
from models_registry import storage
from models_registry.models import Artifact, ModelVersion, ProjectFile
from serving.models import Revision

SERVINGS = "/api/projects/garden/servings/"
VERSION = "/api/projects/garden/models/mnist/versions/1/"
SCALER = "class Transformer:\n    def preprocess(self, inputs):\n        return inputs\n"
SCRIPT = "Models/mnist/1/predictor.py"


@pytest.fixture(autouse=True)
def mnist(export: Callable[..., ModelVersion], owner: Access) -> ModelVersion:
    for name, text in (("scaler.py", SCALER), ("other.py", SCALER + "\n")):
        put(owner, f"Resources/{name}", text)
    return export("mnist")


def put(owner: Access, path: str, text: str) -> None:
    registry.save_file(access=owner, path=path, blob=storage.receive([text.encode()]))


def create(api: APIClient, name: str, **settings: object) -> dict[str, object]:
    answer = api.post(SERVINGS, {"name": name, "script": SCRIPT, **settings}, format="json")
    assert answer.status_code == 201, answer.json()
    return answer.json()  # type: ignore[no-any-return]


def refused(api: APIClient, **settings: object) -> str:
    before = Artifact.objects.count()
    answer = api.post(SERVINGS, {"name": "flowers", "script": SCRIPT, **settings}, format="json")
    assert answer.status_code == 400, answer.json()
    assert Artifact.objects.count() == before
    said = answer.json()["error"]
    assert set(said["fields"]) <= {"artifact_version", "transformer"}
    return str(said["message"])


def artifacts(api: APIClient) -> list[dict[str, object]]:
    return api.get(f"{VERSION}artifacts/").json()["items"]  # type: ignore[no-any-return]


def test_servings_without_a_transformer_share_one_artifact(api: APIClient) -> None:
    first, second = create(api, "one"), create(api, "two", artifact_version="MODEL-ONLY")
    assert first["artifact_version"] == second["artifact_version"] == "MODEL-ONLY"
    assert first["artifact_digest"] == second["artifact_digest"]
    assert [each["name"] for each in artifacts(api)] == ["mnist_1_0"]


def test_transformers_number_the_artifacts_of_a_version(
    api: APIClient, export: Callable[..., ModelVersion]
) -> None:
    export("mnist")
    first = create(api, "one", transformer="Resources/scaler.py")
    second = create(api, "two", transformer="Resources/scaler.py", artifact_version="CREATE")
    assert (first["artifact_version"], second["artifact_version"]) == ("1", "2")
    assert [each["name"] for each in artifacts(api)] == ["mnist_1_2", "mnist_1_1"]
    of_another = create(api, "three", script="Models/mnist/2/predictor.py", transformer="Resources/scaler.py")
    assert of_another["artifact_version"] == "1"


def test_an_existing_number_is_used_again_with_the_bare_name_of_its_transformer(api: APIClient) -> None:
    create(api, "one", transformer="Resources/scaler.py")
    again = create(api, "two", transformer="scaler.py", artifact_version=1)
    assert (again["artifact_version"], again["transformer"]) == ("1", "scaler.py")
    assert len(artifacts(api)) == 1


def test_the_same_request_again_and_an_unrelated_edit_build_nothing(api: APIClient) -> None:
    create(api, "one", transformer="Resources/scaler.py")
    wanted = {"name": "one", "script": SCRIPT, "transformer": "Resources/scaler.py"}
    assert api.post(SERVINGS, wanted, format="json").status_code == 200
    edited = api.patch(f"{SERVINGS}one/", {"class_name": "Predict"}, format="json").json()
    assert (edited["revision"], edited["artifact_version"]) == (2, "1")
    changed = api.patch(f"{SERVINGS}one/", {"transformer": "Resources/other.py"}, format="json").json()
    assert changed["artifact_version"] == "2"
    without = api.patch(f"{SERVINGS}one/", {"transformer": None}, format="json").json()
    assert (without["artifact_version"], without["transformer"]) == ("MODEL-ONLY", None)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"artifact_version": 0, "transformer": "Resources/scaler.py"}, "MODEL-ONLY is for servings without"),
        ({"artifact_version": "MODEL-ONLY", "transformer": "scaler.py"}, "no transformer scaler.py here"),
        ({"artifact_version": 7, "transformer": "scaler.py"}, "no artifact 7; none has been built yet"),
        ({"artifact_version": 7, "transformer": "Resources/scaler.py"}, "no artifact 7"),
        ({"artifact_version": 1}, "goes with a transformer"),
        ({"artifact_version": "newest"}, "Write CREATE, MODEL-ONLY or the number"),
        ({"artifact_version": "9" * 5000, "transformer": "scaler.py"}, "give the path of a file"),
        ({"artifact_version": "9" * 5000, "transformer": "Resources/scaler.py"}, "Write CREATE, MODEL-ONLY"),
        ({"artifact_version": -2}, "Write CREATE, MODEL-ONLY or the number"),
        ({"transformer": "Resources/none.py"}, "There is no transformer Resources/none.py"),
        ({"transformer": "Resources/scaler.txt"}, "does not end in .py"),
        ({"transformer": "scaler.py"}, "give the path of a file"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_with_a_sentence(
    asked: dict[str, object], said: str, api: APIClient
) -> None:
    assert said in refused(api, **asked)


def test_an_artifact_does_not_take_a_new_script(api: APIClient) -> None:
    create(api, "one", transformer="Resources/scaler.py")
    assert "does not change; name the transformer that it holds, scaler.py" in refused(
        api, artifact_version=1, transformer="Resources/other.py"
    )
    assert "holds the transformer scaler.py, not other.py" in refused(
        api, artifact_version=1, transformer="other.py"
    )


def test_overwritten_files_make_a_new_artifact_and_leave_the_old_to_its_revisions(
    api: APIClient, export: Callable[..., ModelVersion]
) -> None:
    before = create(api, "one")
    export("mnist", {"predictor.py": SCALER, "weights.txt": "4 5 6"}, number=1, may_overwrite=True)
    after = create(api, "two")
    assert before["artifact_digest"] != after["artifact_digest"]
    assert Revision.objects.get(serving__name="one").artifact.digest == before["artifact_digest"]  # type: ignore[union-attr]


def test_the_digest_is_that_of_the_manifest(api: APIClient) -> None:
    create(api, "one", transformer="Resources/scaler.py")
    digest = artifacts(api)[0]["digest"]
    artifact = api.get(f"{VERSION}artifacts/{digest}/").json()
    assert artifact["files"] == api.get(f"{VERSION}artifacts/1/").json()["files"]
    manifest = [[file["path"], file["size"], file["sha256"]] for file in artifact["files"]]  # type: ignore[attr-defined]
    text = json.dumps(sorted(manifest), ensure_ascii=False, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == artifact["digest"]
    assert [path for path, _, _ in sorted(manifest)] == [
        "predictor.py",
        "transformer-scaler.py",
        "weights.txt",
    ]


@pytest.mark.parametrize(
    "address",
    [
        f"{VERSION}artifacts/1/download/",
        "/api/projects/garden/files/Models/mnist/1/Artifacts/1/mnist_1_1.zip",
    ],
)
def test_it_downloads_as_a_zip_with_its_number_as_the_top_folder(address: str, api: APIClient) -> None:
    create(api, "one", transformer="Resources/scaler.py")
    answer = api.get(address)
    assert 'filename="mnist_1_1.zip"' in answer.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as archive:  # type: ignore[attr-defined]
        assert archive.namelist() == ["1/predictor.py", "1/transformer-scaler.py", "1/weights.txt"]
        assert archive.read("1/transformer-scaler.py").decode() == SCALER


def test_a_file_of_an_artifact_has_a_path_of_its_own(api: APIClient) -> None:
    create(api, "one", transformer="Resources/scaler.py")
    folder = "/api/projects/garden/files/Models/mnist/1/Artifacts/1/"
    assert b"".join(api.get(f"{folder}weights.txt").streaming_content) == b"1 2 3\n"  # type: ignore[attr-defined]
    assert api.get(f"{folder}none.txt").status_code == 404
    assert api.get(folder.replace("Artifacts/1", "Artifacts/9") + "weights.txt").status_code == 404


def test_an_edit_of_resources_keeps_files_and_packages_whatever_became_of_the_version(
    api: APIClient, export: Callable[..., ModelVersion]
) -> None:
    create(api, "one", transformer="Resources/scaler.py")
    before = Revision.objects.get()
    export("mnist", {"predictor.py": SCALER}, number=1, may_overwrite=True)
    api.delete("/api/projects/garden/files/Resources/scaler.py")
    assert api.patch(f"{SERVINGS}one/", {"resources": {"cores": 0.5}}, format="json").status_code == 200
    after = Revision.objects.get(number=2)
    for name in ("artifact_id", "script_id", "transformer_id", "environment_id", "model_version_id"):
        assert getattr(after, name) == getattr(before, name)


def test_a_script_that_was_deleted_does_not_block_edits(api: APIClient, owner: Access) -> None:
    put(owner, "Resources/sums.py", SCALER)
    create(api, "one", script="Resources/sums.py", model="mnist")
    api.delete("/api/projects/garden/files/Resources/sums.py")
    assert api.patch(f"{SERVINGS}one/", {"model_version": 1}, format="json").status_code == 200
    changed = {"script": "Resources/sums.py", "model": "mnist", "description": "still here"}
    assert api.put(f"{SERVINGS}one/", changed, format="json").status_code == 200


def test_an_existing_number_brings_its_own_script(
    api: APIClient, export: Callable[..., ModelVersion]
) -> None:
    create(api, "one", transformer="Resources/scaler.py")
    export("mnist", {"predictor.py": SCALER}, number=1, may_overwrite=True)
    create(api, "two", transformer="scaler.py", artifact_version=1)
    one, two = Revision.objects.order_by("id")
    assert two.script_id == one.script_id


def test_revisions_from_before_packages_were_recorded_are_not_changed_by_that(api: APIClient) -> None:
    create(api, "one")
    Revision.objects.update(python="", environment=None, preflight=None)
    assert api.post(SERVINGS, {"name": "one", "script": SCRIPT}, format="json").status_code == 200
    api.patch(f"{SERVINGS}one/", {"description": "older"}, format="json")
    assert Revision.objects.count() == 1


def test_an_artifact_that_was_overtaken_is_still_there_by_its_digest(
    api: APIClient, export: Callable[..., ModelVersion]
) -> None:
    before = create(api, "one")["artifact_digest"]
    export("mnist", {"predictor.py": SCALER}, number=1, may_overwrite=True)
    after = create(api, "two")["artifact_digest"]
    assert api.get(f"{VERSION}artifacts/MODEL-ONLY/").json()["digest"] == after
    old = api.get(f"{VERSION}artifacts/{before}/download/")
    with zipfile.ZipFile(io.BytesIO(b"".join(old.streaming_content))) as archive:  # type: ignore[attr-defined]
        assert archive.namelist() == ["0/predictor.py", "0/weights.txt"]
    assert api.get(f"{VERSION}artifacts/{'0' * 64}/").status_code == 404
    assert api.get(f"{VERSION}artifacts/newest/").status_code == 404


def test_artifacts_of_many_files_are_listed_and_sent(api: APIClient, mnist: ModelVersion) -> None:
    line = mnist.files.get(path="weights.txt")
    ProjectFile.objects.bulk_create(
        ProjectFile(project=line.project, version=mnist, path=f"part-{number}", blob=line.blob)
        for number in range(1500)
    )
    create(api, "one")
    assert artifacts(api)[0]["file_count"] == 1502
    assert len(api.get(f"{VERSION}artifacts/0/").json()["files"]) == 1502
    sent = b"".join(api.get(f"{VERSION}artifacts/0/download/").streaming_content)  # type: ignore[attr-defined]
    assert len(zipfile.ZipFile(io.BytesIO(sent)).namelist()) == 1502
