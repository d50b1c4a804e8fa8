"""Files by a signed address."""

import io
import tarfile
import time
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client

from models_registry import queries as registry
from models_registry import storage
from serving.models import Serving
from serving.replica_documents import bundle, tokens


def fetch(client: Client, token: str) -> Any:
    return client.get("/replicas/files/", {"token": token})


def unpacked(body: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        return {each.name: archive.extractfile(each).read() for each in archive}  # type: ignore[union-attr]


def test_a_token_gives_the_artifact_its_manifest_and_the_scripts(serving: Serving, replica: Client) -> None:
    artifact = serving.current.artifact
    assert artifact is not None
    script = storage.receive([b"class Predict: pass\n"])
    answer = fetch(replica, tokens.make(artifact.digest, [("other.py", script.sha256)]))
    body = answer.getvalue()
    assert (answer.status_code, len(body)) == (200, int(answer["Content-Length"]))
    found = unpacked(body)
    assert found.pop("start/scripts/other.py") == b"class Predict: pass\n"
    manifest = [(f.path, f.blob.size, f.blob_id) for f in artifact.files.select_related("blob")]
    assert found.pop("start/manifest.json") == registry.manifest_digest_source(manifest)
    assert found == {
        f"artifact/{f.path}": b"".join(storage.read(f.blob)) for f in artifact.files.select_related("blob")
    }
    assert "artifact/predictor.py" in found


def test_a_tar_is_as_long_as_it_was_said_whatever_it_holds() -> None:
    big = 9 * 1024**3  # more than the oldest form of a tar can say
    names = ["a", "ä/" * 60 + "long name", "x" * 511]
    made = [bundle.Member(name, size, io.BytesIO) for name in names for size in (0, 1, 511, 512, big)]
    assert bundle.length(made) == sum(len(m.head) + -(-m.size // 512) * 512 for m in made) + 1024
    small = [bundle.Member(name, 3, lambda: io.BytesIO(b"abc")) for name in names]
    whole = b"".join(bundle.stream(small))
    assert len(whole) == bundle.length(small)
    assert unpacked(whole) == dict.fromkeys(names, b"abc")


def test_bytes_that_are_gone_break_the_transfer_off() -> None:
    short = bundle.Member("artifact/a", 10, lambda: io.BytesIO(b"abc"))
    with pytest.raises(OSError, match="7 bytes are missing"):
        b"".join(bundle.stream([short]))


def test_an_old_token_and_a_forged_one_open_nothing(
    serving: Serving, replica: Client, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert serving.current.artifact is not None
    token = tokens.make(serving.current.artifact.digest, [])
    for bad in ("", token[:-3] + "abc", "x" * 5000, "a:b:c", f"{token}\u00e9"):
        assert fetch(replica, bad).status_code == 401
    with monkeypatch.context() as later:
        now = time.time() + settings.FILES_URL_SECONDS + 1
        later.setattr("django.core.signing.time.time", lambda: now)
        answer = fetch(replica, token)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "expired")


def test_what_is_not_stored_any_more_is_said(replica: Client, serving: Serving) -> None:
    assert serving.current.artifact is not None
    answer = fetch(replica, tokens.make("0" * 64, []))
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "gone")
    answer = fetch(replica, tokens.make(serving.current.artifact.digest, [("lost.py", "1" * 64)]))
    assert "lost.py is not stored" in answer.json()["error"]["message"]
