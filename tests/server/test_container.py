"""A replica as a container starts it: files mounted or fetched, reports printed, the platform asked over HTTP."""

import base64
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from hopyard.server import reports
from hopyard.server.container import unpacking
from hopyard.server.container.unpacking import Torn, unpack
from hopyard.server.failures import Failure
from tests.client.scripted import Scripted, drops, running, says, says_raw

from .process import ServerProcess, eventually

READER = """
from pathlib import Path
class Predict:
    def predict(self, inputs):
        Path("weights.txt").with_suffix(".mine").write_text("written beside")
        return [Path("weights.txt").read_text(), Path("deep/more.txt").read_text()]
"""
FILES = {"weights.txt": b"1 2 3", "deep/more.txt": b"deeper"}
REPORT = re.compile(r"::hopyard-report:: (\d+)/(\d+) (\S+)$", re.MULTILINE)
FILES_PATH = "/replicas/files/"
FETCHING = f"{FILES_PATH}?token=signed"


def manifest_of(files: dict[str, bytes]) -> bytes:
    return json.dumps(
        sorted([path, len(text), hashlib.sha256(text).hexdigest()] for path, text in files.items())
    ).encode()


def tar(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for path, text in members.items():
            info = tarfile.TarInfo(path)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    return made.getvalue()


def bundle(files: dict[str, bytes] = FILES, script: str = READER) -> bytes:
    return tar(
        {
            "start/manifest.json": manifest_of(files),
            "start/scripts/iris.py": script.encode(),
            **{f"artifact/{path}": text for path, text in files.items()},
        }
    )


def sent(body: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    return says_raw(200, body, "application/x-tar")


def cut(body: bytes, at: int) -> Callable[[BaseHTTPRequestHandler], None]:
    """Announce all of it, send some, and hang up."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[:at])
        handler.close_connection = True

    return answer


@pytest.fixture
def platform() -> Iterator[Scripted]:
    script = Scripted()
    with running(script):
        yield script


@pytest.fixture
def contain(serve: Callable[..., ServerProcess], tmp_path: Path) -> Callable[..., ServerProcess]:
    """`contain(**settings)` starts what a container would, below a folder instead of /hopyard."""

    def start(**settings: Any) -> ServerProcess:
        work = tmp_path / "work"
        work.mkdir()
        known = {
            "module": "hopyard.server.container",
            "MANIFEST_DIR": tmp_path / "artifact",
            "MANIFEST": tmp_path / "start" / "manifest.json",
            "ARTIFACT_DIR": work,
            "ARTIFACT_DIGEST": hashlib.sha256(manifest_of(FILES)).hexdigest(),
            "SCRIPT": work / "iris.py",
            "SCRIPT_SHA256": hashlib.sha256(READER.encode()).hexdigest(),
            "REPORTS": "output",
            "directory": work,
        }
        return serve(None, **{**known, **settings})

    return start


def mounted(folder: Path) -> None:
    for path, text in {
        **{f"artifact/{path}": text for path, text in FILES.items()},
        "start/manifest.json": manifest_of(FILES),
        "start/scripts/iris.py": READER.encode(),
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text)


def reported(server: ServerProcess) -> list[dict[str, Any]]:
    """Every whole report in the output, put together as a deployer does."""
    found, pieces = [], []
    for number, of, piece in REPORT.findall(server.log):
        pieces = [piece] if number == "1" else [*pieces, piece]
        if number == of:
            found.append(json.loads(base64.b64decode("".join(pieces))))
    return found


def failure(server: ServerProcess) -> dict[str, Any]:
    assert server.process.wait(20) == 3, server.log
    assert not server.termination_file.exists()
    return reported(server)[-1]


def test_mounted_files_are_linked_into_the_working_directory(contain, tmp_path):
    mounted(tmp_path)
    server = contain().ready()
    assert server.predict(1).json() == {"predictions": ["1 2 3", "deeper"]}
    assert (tmp_path / "work" / "weights.mine").read_text() == "written beside"
    assert sorted(path.name for path in (tmp_path / "artifact").iterdir()) == ["deep", "weights.txt"]
    assert (tmp_path / "work" / "weights.txt").is_symlink()


def test_files_are_fetched_and_verified(contain, platform, tmp_path):
    platform.on("GET", FILES_PATH, sent(bundle()))
    server = contain(FILES_URL=platform.url + FETCHING).ready()
    assert server.predict(1).json() == {"predictions": ["1 2 3", "deeper"]}
    assert "Fetched 4 files" in server.log


def test_a_platform_that_restarts_and_transfers_that_break_off_are_tried_again(contain, platform):
    whole = bundle()
    between_two_files = 2048  # where what came still looks like a whole tar
    platform.then(says(503, {}), drops, cut(whole, 1500), cut(whole, between_two_files), sent(whole))
    server = contain(FILES_URL=platform.url + FETCHING).ready()
    assert server.predict(1).status_code == 200
    assert len(platform.requests) == 5


def test_a_platform_that_stays_away_is_a_named_failure(contain):
    found = failure(contain(FILES_URL="http://127.0.0.1:9/replicas/files/?token=x", FETCH_SECONDS=0.5))
    assert found["code"] == "FilesUnreachable"
    assert "http://127.0.0.1:9 within 0.5 s: Connection refused" in found["reason"]
    assert "token" not in found["reason"]


def test_a_refusal_is_final(contain, platform):
    platform.on("GET", FILES_PATH, says(403, {"error": {"message": "This address is too old."}}))
    found = failure(contain(FILES_URL=platform.url + FETCHING))
    assert (found["code"], len(platform.requests)) == ("FilesWithheld", 1)
    assert "too old" in found["evidence"]


def test_other_bytes_than_were_registered_never_run(contain, platform):
    platform.on("GET", FILES_PATH, sent(bundle(FILES | {"weights.txt": b"1 2 4"})))
    assert failure(contain(FILES_URL=platform.url + FETCHING))["code"] == "ArtifactCorrupt"


def test_a_script_that_was_changed_on_its_way_never_runs(contain, platform, tmp_path):
    marker = tmp_path / "ran"
    platform.on("GET", FILES_PATH, sent(bundle(script=f"open({str(marker)!r}, 'w')\n{READER}")))
    assert failure(contain(FILES_URL=platform.url + FETCHING))["code"] == "ArtifactCorrupt"
    assert not marker.exists()


def test_settings_that_are_wrong_are_printed_as_a_report(contain):
    assert failure(contain(PORT="many"))["code"] == "ConfigurationInvalid"


def test_a_container_without_its_folders_says_which_settings_it_needs(contain):
    found = failure(contain(MANIFEST_DIR=""))
    assert (found["code"], "HOPYARD_MANIFEST_DIR" in found["reason"]) == ("ConfigurationInvalid", True)


def test_a_preflight_prints_each_step(contain, tmp_path):
    mounted(tmp_path)
    server = contain(PREFLIGHT="on")
    assert server.process.wait(20) == 0, server.log
    found = reported(server)
    assert len(found) > 5
    assert {each["code"] for each in found} == {"Preflight"}
    assert found[-1]["checks"][0]["state"] == "passed"


def test_a_long_report_is_several_short_lines():
    text = json.dumps({"code": "Broken", "evidence": "é" * 20_000})
    lines = reports.lines(text)
    assert len(lines) > 10
    assert max(map(len, lines)) < 4096
    assert all("\n" not in line for line in lines)
    pieces = "".join(line.split()[2] for line in lines)
    assert json.loads(base64.b64decode(pieces)) == json.loads(text)


# The tar


def member(name: str, kind: bytes = tarfile.REGTYPE, text: bytes = b"") -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.type, info.size, info.linkname = kind, len(text), "weights.txt"
        archive.addfile(info, io.BytesIO(text))
    return made.getvalue()


@pytest.mark.parametrize(
    "bad",
    [
        member("/etc/passwd"),
        member("artifact/../../passwd"),
        member("elsewhere/file"),
        member("artifact"),
        member("artifact/link", tarfile.SYMTYPE),
        member("artifact/hard", tarfile.LNKTYPE),
        member("artifact/device", tarfile.CHRTYPE),
        member("artifact/pipe", tarfile.FIFOTYPE),
    ],
)
def test_only_files_inside_are_unpacked(bad, tmp_path):
    with pytest.raises(Failure, match="FilesWithheld"):
        unpack(io.BytesIO(bad), {"artifact": tmp_path / "artifact"})
    assert not list(tmp_path.rglob("passwd"))
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == []


def test_more_than_fits_is_refused_before_it_is_written(tmp_path):
    info = tarfile.TarInfo("artifact/huge")
    info.size = 10**18
    with pytest.raises(Failure, match="FilesNotLaidOut"):
        unpack(io.BytesIO(info.tobuf(tarfile.GNU_FORMAT)), {"artifact": tmp_path})
    assert list(tmp_path.iterdir()) == []


def test_too_many_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "MOST_FILES", 2)
    with pytest.raises(Failure, match="one more than 2 files"):
        unpack(io.BytesIO(tar({f"artifact/{n}": b"" for n in range(3)})), {"artifact": tmp_path})


@pytest.mark.parametrize("text", [b"", b"<html>no tar</html>", tar({"artifact/a": b"x" * 5000})[:2000]])
def test_what_is_no_whole_tar_may_be_tried_again(text, tmp_path):
    with pytest.raises(Torn):
        unpack(io.BytesIO(text), {"artifact": tmp_path})


# The platform, asked over HTTP


def test_only_who_brings_the_token_may_predict(serve):
    server = serve(TOKEN="secret").ready()
    assert server.predict(1).status_code == 401
    assert server.predict(1, headers={"X-Hopyard-Internal": "other"}).status_code == 401
    named = {"X-Hopyard-Internal": "secret", "X-Hopyard-Caller": "k1"}
    assert server.predict(1, headers=named).json() == {"predictions": [1]}


@pytest.fixture
def logging(serve: Callable[..., ServerProcess], platform: Scripted) -> Callable[..., ServerProcess]:
    def start(**settings: Any) -> ServerProcess:
        known = {"CONTROL_URL": f"{platform.url}/replicas/garden-iris-1", "TOKEN": "t", "TOPIC": "iris-inf"}
        return serve(**{**known, "REPLICA": "r1-0-1", "REVISION": "1", **settings}).ready()

    return start


TOKEN = {"X-Hopyard-Internal": "t", "X-Hopyard-Caller": "k1"}
RECORDS = "/replicas/garden-iris-1/records/"


def test_calls_are_posted_to_the_platform(logging, platform):
    platform.on("POST", RECORDS, says_raw(204, b""))
    server = logging()
    for number in range(20):
        server.predict(number, headers=TOKEN)
    eventually(lambda: server.metric("hopyard_inference_log_sent_total") == 20)
    lines = [json.loads(line) for request in platform.requests for line in request.body.splitlines()]
    assert [line["inputs"] for line in lines] == [f'{{"instances":[{number}]}}' for number in range(20)]
    assert {(line["replica"], line["key_id"]) for line in lines} == {("r1-0-1", "k1")}
    assert {request.headers["Authorization"] for request in platform.requests} == {"Bearer t"}


def test_records_wait_for_a_platform_that_restarts(logging, platform):
    platform.then(says(503, {}), drops, says_raw(204, b""))
    server = logging()
    server.predict(1, headers=TOKEN)
    eventually(lambda: server.metric("hopyard_inference_log_sent_total") == 1)
    assert server.metric("hopyard_inference_log_dropped_total") == 0


def test_a_platform_that_never_answers_holds_up_no_prediction(logging, platform):
    platform.on("POST", RECORDS, platform.never)
    server = logging()
    for number in range(50):
        assert server.predict(number, headers=TOKEN).elapsed.total_seconds() < 2
    assert server.terminate() == 0
    platform.released.set()


def test_nothing_is_posted_without_a_topic(logging, platform):
    server = logging(TOPIC="")
    server.predict(1, headers=TOKEN)
    assert server.terminate() == 0
    assert platform.requests == []


def test_a_transformer_finds_its_predictors_at_the_platform(serve, platform, tmp_path):
    listing = "/replicas/garden-iris-1/predictors/3/"
    behind = [serve(TOKEN="t", REPLICA=f"p{number}").ready() for number in range(2)]
    first, second = ("{}:{}".format(*server.address) for server in behind)
    platform.on("GET", listing, says(200, [first], ETag='"a"'))
    before = serve(
        "class Transformer:\n    def preprocess(self, inputs):\n        return inputs\n",
        name="transformer-iris.py",
        SCRIPT="",
        MODEL_NAME="iris",
        TRANSFORMER=tmp_path / "replica-3" / "transformer-iris.py",
        CONTROL_URL=f"{platform.url}/replicas/garden-iris-1",
        TOKEN="t",
        REVISION="3",
    ).ready()
    assert before.predict(1, headers=TOKEN).json() == {"predictions": [1]}
    assert 'If-None-Match: "a"' in eventually(lambda: asked_with_tag(platform))

    platform.on("GET", listing, says(200, [second], ETag='"b"'))
    behind[0].close()
    eventually(lambda: before.predict(2, headers=TOKEN).status_code == 200 and second in before.log)
    assert before.predict(2, headers=TOKEN).json() == {"predictions": [2]}

    platform.on("GET", listing, says(503, {}))
    eventually(lambda: before.predict(3, headers=TOKEN) and "cannot be asked for" in before.log)
    assert before.predict(3, headers=TOKEN).json() == {"predictions": [3]}


def asked_with_tag(platform: Scripted) -> str:
    found = [request.headers.get("If-None-Match") for request in platform.requests]
    return next((f"If-None-Match: {tag}" for tag in found if tag), "")
