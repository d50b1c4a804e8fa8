"""`Storage` under its three addresses, and what it says of storage it cannot reach."""

import http.server
import tarfile
import threading
from functools import partial
from pathlib import Path

import kserve
import kserve_storage
import pytest
from kserve.storage import Storage


def test_all_three_addresses_are_one() -> None:
    assert kserve.Storage is kserve_storage.Storage is Storage


def test_directories_and_files_are_linked(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "model.bin").write_text("weights")
    for number, uri in enumerate((str(source), f"file://{source}", str(source / "model.bin"))):
        target = tmp_path / f"target-{number}"
        assert Storage.download(uri, str(target)) == str(target)
        assert (target / "model.bin").read_text() == "weights"
    assert (Path(Storage.download(str(source))) / "model.bin").exists()


def test_archives_are_unpacked(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_text("weights")
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "model.bin", "model.bin")
    target = Storage.download(str(tmp_path / "model.tar.gz"), str(tmp_path / "out"))
    assert (Path(target) / "model.bin").read_text() == "weights"


def test_the_web_is_downloaded_from(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_text("weights")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as web:
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        uri = f"http://127.0.0.1:{web.server_port}/model.bin"
        target = Storage.download(uri, str(tmp_path / "out"))
        web.shutdown()
        thread.join()
    assert (Path(target) / "model.bin").read_text() == "weights"


def test_what_cannot_be_reached_says_so(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="does not exist"):
        Storage.download(str(tmp_path / "nothing"))
    with pytest.raises(NotImplementedError, match="s3://bucket"):
        Storage.download("s3://bucket/model")
    assert Storage.download("/mnt/models/m") == "/mnt/models/m"
