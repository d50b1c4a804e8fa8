"""A replica starts only from the bytes that were registered, and says which file differs and how."""

import hashlib
import json
from pathlib import Path

import pytest

from .process import ECHO

FILES = {"model.pkl": b"weights", "data/labels.txt": b"setosa\n", "empty": b""}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Artifact:
    """Files laid out as the platform does it, with their manifest beside them."""

    def __init__(self, root: Path) -> None:
        self.directory = root / "artifact"
        for name, data in FILES.items():
            (self.directory / name).parent.mkdir(parents=True, exist_ok=True)
            (self.directory / name).write_bytes(data)
        self.manifest = root / "manifest.json"
        entries = [[name, len(data), sha256(data)] for name, data in sorted(FILES.items())]
        self.manifest.write_text(json.dumps(entries, separators=(",", ":"), ensure_ascii=False))
        self.digest = sha256(self.manifest.read_bytes())

    @property
    def settings(self) -> dict[str, object]:
        return {
            "ARTIFACT_DIR": self.directory,
            "MANIFEST": self.manifest,
            "ARTIFACT_DIGEST": self.digest,
        }


@pytest.fixture
def artifact(tmp_path):
    return Artifact(tmp_path)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)


def put(path: Path, data: bytes = b"x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def replace_by_link(path: Path) -> None:
    kept = path.rename(path.parent.parent / "kept")
    path.symlink_to(kept)


def test_an_artifact_as_it_was_registered_is_served(serve, artifact):
    put(artifact.directory / "__pycache__" / "part.cpython-311.pyc")
    assert serve(ECHO, **artifact.settings).ready().predict([1]).status_code == 200


@pytest.mark.parametrize(
    ("spoil", "difference"),
    [
        (lambda root: flip(root / "model.pkl"), "model.pkl has other bytes (expected sha256 {0}, found "),
        (lambda root: (root / "model.pkl").unlink(), "model.pkl is missing"),
        (
            lambda root: put(root / "model.pkl", b"w"),
            "model.pkl has another size (expected 7 bytes, found 1)",
        ),
        (lambda root: put(root / "data" / "more.txt"), "data/more.txt is there and was not registered"),
        (lambda root: replace_by_link(root / "model.pkl"), "model.pkl is no regular file"),
        (lambda root: (root / "loop").symlink_to(root), "loop is there and was not registered"),
    ],
)
def test_a_difference_names_the_file_and_what_to_do(serve, artifact, spoil, difference):
    spoil(artifact.directory)
    failure = serve(ECHO, **artifact.settings).failure()
    assert failure["code"] == "ArtifactCorrupt"
    assert difference.format(sha256(b"weights")[:12]) in failure["reason"]
    assert "Press Run, which lays the files out anew, or export the model again." in failure["reason"]


def test_several_differences_are_counted_and_listed(serve, artifact):
    (artifact.directory / "empty").unlink()
    put(artifact.directory / "stray")
    failure = serve(ECHO, **artifact.settings).failure()
    assert "empty is missing, and 1 more." in failure["reason"]
    assert "stray is there and was not registered" in failure["evidence"]


def test_nothing_is_run_before_the_files_are_verified(serve, artifact, tmp_path):
    flip(artifact.directory / "model.pkl")
    script = f"open({str(tmp_path / 'ran')!r}, 'w')\n{ECHO}"
    serve(script, **artifact.settings).failure()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"[]", "its manifest has other bytes (expected sha256 "),
        (None, "its manifest cannot be read (No such file or directory)"),
    ],
)
def test_the_manifest_itself_is_verified(serve, artifact, text, reason):
    artifact.manifest.unlink()
    if text is not None:
        artifact.manifest.write_bytes(text)
    failure = serve(ECHO, **artifact.settings).failure()
    assert (failure["code"], reason in failure["reason"]) == ("ArtifactCorrupt", True)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'[["a"]]', "is no list of [path, size, sha256]"),
        (b"\xff", "is no list of [path, size, sha256]"),
        (b'[["../manifest.json", 1, ""]]', "../manifest.json is outside of it"),
        (b'[["/etc/hostname", 1, ""]]', "/etc/hostname is outside of it"),
    ],
)
def test_a_manifest_that_says_nonsense_is_refused(serve, artifact, text, reason):
    artifact.manifest.write_bytes(text)
    settings = artifact.settings | {"ARTIFACT_DIGEST": sha256(text)}
    assert reason in serve(ECHO, **settings).failure()["reason"]


def test_a_digest_without_a_manifest_is_a_wrong_configuration(serve, artifact):
    failure = serve(ECHO, ARTIFACT_DIR=artifact.directory, ARTIFACT_DIGEST=artifact.digest).failure()
    assert failure["code"] == "ConfigurationInvalid"
    assert "HOPYARD_ARTIFACT_DIGEST is set without HOPYARD_MANIFEST" in failure["reason"]


def test_a_script_of_other_bytes_is_not_run(serve):
    failure = serve(ECHO, SCRIPT_SHA256=sha256(b"another")).failure()
    assert failure["code"] == "ArtifactCorrupt"
    assert "iris.py has other bytes" in failure["reason"]


def test_a_script_of_the_right_bytes_is_run(serve):
    assert serve(ECHO, SCRIPT_SHA256=sha256(ECHO.encode())).ready()


@pytest.mark.parametrize("script", [ECHO, "import torch\n" + ECHO], ids=["forked", "each for itself"])
def test_several_workers_start_only_from_what_was_registered(serve, artifact, script):
    flip(artifact.directory / "model.pkl")
    server = serve(script, **artifact.settings, WORKERS=2)
    assert "model.pkl has other bytes" in server.failure()["reason"]
    assert server.log.count("has other bytes") == 1


def test_workers_are_forked_after_their_files_were_verified(serve, artifact):
    server = serve(ECHO, **artifact.settings, WORKERS=2).ready()
    assert server.predict([1]).status_code == 200
    assert "Each worker loads" not in server.log
