"""Large files in chunks: how many at once, what is tried again, what is sent after an interruption."""

import hashlib
import random
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hopyard.cli import main
from hopyard.client import BadRequest, Client, ConnectFailed, InvalidArgument, NotFound, sending
from hopyard.client.local_files import LocalFile
from tests.client.scripted import VERSION, Answer, Scripted, drops, page, refuses, says, says_raw

UPLOADS = "/api/projects/demo/models/iris/uploads/"
DRAFT = "/api/projects/demo/uploads/7/"
INCOMING = "/api/projects/demo/incoming/"
CHUNK = 1000
BYTES = random.Random(4).randbytes(4500)
CHUNKS = [BYTES[start : start + CHUNK] for start in range(0, len(BYTES), CHUNK)]
DIGEST = hashlib.sha256(BYTES).hexdigest()


@pytest.fixture(autouse=True)
def _small_files_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "FROM_BYTES", 2000)
    monkeypatch.setattr(sending, "CHUNK_BYTES", CHUNK)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    (tmp_path / "knn.pkl").write_bytes(BYTES)
    return tmp_path / "knn.pkl"


def begun(missing: list[int], **said: Any) -> Answer:
    return says(201, {"id": "f1", "chunk_bytes": CHUNK, "missing": missing, **said})


def takes_chunks(scripted: Scripted, *, missing: list[int], first: dict[int, Answer] | None = None) -> None:
    """Answer a whole upload; `first` are other answers to the first try of a chunk."""
    scripted.on("POST", INCOMING, begun(missing))
    scripted.on("POST", f"{INCOMING}f1/complete/", says(201, {"files": []}))
    for number in missing:
        answers = [*([first[number]] if first and number in first else []), says_raw(204, b"")]
        scripted.on("PUT", chunk_path(number), in_turn(answers))


def in_turn(answers: list[Answer]) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        (answers.pop(0) if len(answers) > 1 else answers[0])(handler)

    return answer


def chunk_path(number: int) -> str:
    return f"{INCOMING}f1/chunks/{number}/"


def sent(scripted: Scripted) -> dict[int, bytes]:
    puts = [request for request in scripted.requests if "/chunks/" in request.path]
    return {int(request.path.split("/")[-2]): request.body for request in puts}


def test_a_large_file_goes_in_chunks_with_their_digests(
    client: Client, scripted: Scripted, large: Path
) -> None:
    takes_chunks(scripted, missing=[0, 1, 2, 3, 4])
    seen: list[tuple[int, int]] = []
    client.files.upload(large, on_progress=lambda *step: seen.append(step))
    assert scripted.requests[0].json == {
        "upload": None,
        "path": "Resources/knn.pkl",
        "size": 4500,
        "sha256": DIGEST,
        "chunk_bytes": CHUNK,
    }
    assert sent(scripted) == dict(enumerate(CHUNKS))
    for request in scripted.requests[1:-1]:
        assert request.headers["X-Content-SHA256"] == hashlib.sha256(request.body).hexdigest()
    assert scripted.calls[-1] == f"POST {INCOMING}f1/complete/"
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == ((0, 4500), (4500, 4500))


def test_a_small_file_goes_whole(client: Client, scripted: Scripted, large: Path) -> None:
    large.write_bytes(b"small")
    scripted.then(says(201, {}))
    client.files.upload(large)
    assert scripted.calls == ["PUT /api/projects/demo/files/Resources/knn.pkl"]


def test_three_chunks_are_under_way_at_once_and_never_more(
    client: Client, scripted: Scripted, large: Path
) -> None:
    together, most, under_way = threading.Barrier(3), 0, 0
    lock = threading.Lock()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        nonlocal most, under_way
        with lock:
            under_way += 1
            most = max(most, under_way)
        together.wait(10)
        with lock:
            under_way -= 1
        says_raw(204, b"")(handler)

    large.write_bytes(BYTES[:3000] * 2)
    takes_chunks(scripted, missing=list(range(6)))
    for number in range(6):
        scripted.on("PUT", chunk_path(number), answer)
    client.files.upload(large)
    assert most == 3


@pytest.mark.parametrize(
    "failure",
    [
        drops,
        refuses(503, "unavailable", "Busy."),
        refuses(400, "wrong_hash", "Damaged."),
        refuses(400, "incomplete_upload", "Too short."),
    ],
)
def test_a_chunk_that_fails_is_sent_again(
    client: Client, scripted: Scripted, large: Path, failure: Answer
) -> None:
    takes_chunks(scripted, missing=[0, 1, 2, 3, 4], first={2: failure})
    client.files.upload(large)
    assert scripted.calls.count(f"PUT {chunk_path(2)}") == 2
    assert sent(scripted) == dict(enumerate(CHUNKS))


def test_a_chunk_that_never_gets_an_answer_is_sent_again(scripted: Scripted, large: Path) -> None:
    takes_chunks(scripted, missing=[0, 1, 2, 3, 4], first={1: scripted.never})
    with Client(scripted.url, "hop_test", "demo", timeout=0.3) as client:
        client.files.upload(large)
    assert scripted.calls.count(f"PUT {chunk_path(1)}") == 2


def test_a_chunk_that_is_refused_ends_the_upload(client: Client, scripted: Scripted, large: Path) -> None:
    takes_chunks(scripted, missing=[0, 1, 2, 3, 4])
    for number in range(5):
        scripted.on("PUT", chunk_path(number), refuses(404, "not_found", "It was dropped."))
    with pytest.raises(NotFound, match="It was dropped"):
        client.files.upload(large)
    assert f"POST {INCOMING}f1/complete/" not in scripted.calls


def test_a_connection_that_stays_broken_is_told(client: Client, scripted: Scripted, large: Path) -> None:
    takes_chunks(scripted, missing=[0, 1, 2, 3, 4])
    scripted.on("PUT", chunk_path(3), drops)
    with pytest.raises(ConnectFailed):
        client.files.upload(large)


def test_only_what_is_missing_is_sent(client: Client, scripted: Scripted, large: Path) -> None:
    takes_chunks(scripted, missing=[1, 4])
    seen: list[tuple[int, int]] = []
    client.files.upload(large, on_progress=lambda *step: seen.append(step))
    assert sent(scripted) == {1: CHUNKS[1], 4: CHUNKS[4]}
    assert seen[0] == (3000, 4500)


def test_the_chunk_size_is_the_platforms(client: Client, scripted: Scripted, large: Path) -> None:
    takes_chunks(scripted, missing=[0, 1])
    scripted.on("POST", INCOMING, begun([0, 1], chunk_bytes=3000))
    client.files.upload(large)
    assert sent(scripted) == {0: BYTES[:3000], 1: BYTES[3000:]}


def test_chunks_the_platform_lost_are_sent_again(client: Client, scripted: Scripted, large: Path) -> None:
    takes_chunks(scripted, missing=[0, 1, 2, 3, 4])
    scripted.on("POST", INCOMING, in_turn([begun([0, 1, 2, 3, 4]), begun([3])]))
    lost = refuses(409, "chunks_missing", "Chunk 3 was damaged here.")
    scripted.on("POST", f"{INCOMING}f1/complete/", in_turn([lost, says(201, {"files": []})]))
    client.files.upload(large)
    assert scripted.calls.count(f"PUT {chunk_path(3)}") == 2


def test_a_file_that_shrinks_meanwhile_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("short")
    with pytest.raises(InvalidArgument, match="became shorter"):
        LocalFile(tmp_path / "log", "log", 100).piece(0, 10)


def test_an_interrupted_export_stays_only_if_it_is_to_be_resumed(
    client: Client, scripted: Scripted, large: Path
) -> None:
    scripted.on("GET", UPLOADS, page())
    scripted.on("POST", UPLOADS, says(201, {"id": 7}))
    scripted.on("DELETE", DRAFT, says_raw(204, b""))
    takes_chunks(scripted, missing=[0, 1, 2, 3, 4])
    scripted.on("PUT", chunk_path(3), drops)
    with pytest.raises(ConnectFailed):
        client.models.export(large, "iris", resume=True)
    assert f"DELETE {DRAFT}" not in scripted.calls
    with pytest.raises(ConnectFailed):
        client.models.export(large, "iris")
    assert scripted.calls[-1] == f"DELETE {DRAFT}"


def test_a_refused_export_leaves_nothing_to_resume(client: Client, scripted: Scripted, large: Path) -> None:
    scripted.on("GET", UPLOADS, page())
    scripted.on("POST", UPLOADS, says(201, {"id": 7}))
    scripted.on("DELETE", DRAFT, says_raw(204, b""))
    scripted.on("POST", INCOMING, refuses(400, "bad_path", "Not that path."))
    with pytest.raises(BadRequest, match="Not that path"):
        client.models.export(large, "iris", resume=True)
    assert scripted.calls[-1] == f"DELETE {DRAFT}"


@pytest.fixture
def earlier(scripted: Scripted) -> Callable[..., None]:
    """A draft of an earlier run, with what was said of it and the files it has."""

    def make(*, files: list[dict[str, Any]], **said: Any) -> None:
        scripted.on("GET", UPLOADS, page({"id": 7, "model": "iris", "files": files, **said}))
        scripted.on("POST", f"{DRAFT}finalise/", says(201, VERSION))

    return make


def test_an_export_goes_on_with_its_own_draft(
    client: Client, scripted: Scripted, large: Path, earlier: Callable[..., None]
) -> None:
    (large.parent / "there.txt").write_text("there")
    (large.parent / "other.txt").write_text("other now")
    there = {"path": "there.txt", "size": 5, "sha256": hashlib.sha256(b"there").hexdigest()}
    earlier(files=[there, {**there, "path": "other.txt"}], version=None, metrics={"accuracy": 0.9})
    takes_chunks(scripted, missing=[4])
    scripted.on("PUT", f"{DRAFT}files/other.txt", says(201, {}))
    seen: list[tuple[int, int]] = []
    client.models.export(
        large.parent,
        "iris",
        metrics={"accuracy": 0.9},
        resume=True,
        on_progress=lambda *step: seen.append(step),
    )
    assert f"POST {UPLOADS}" not in scripted.calls
    assert f"PUT {DRAFT}files/there.txt" not in scripted.calls
    assert f"PUT {DRAFT}files/other.txt" in scripted.calls
    assert sent(scripted) == {4: CHUNKS[4]}
    assert seen[-1][0] == seen[-1][1]


def test_a_draft_of_which_something_else_was_said_is_not_taken(
    client: Client, scripted: Scripted, large: Path, earlier: Callable[..., None]
) -> None:
    earlier(files=[], version=3)
    scripted.on("POST", UPLOADS, says(201, {"id": 7}))
    takes_chunks(scripted, missing=[0, 1, 2, 3, 4])
    client.models.export(large, "iris", version=4, resume=True)
    assert f"POST {UPLOADS}" in scripted.calls


def test_the_command_line_can_resume(
    scripted: Scripted, large: Path, earlier: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOPYARD_API_KEY", "hop_test")
    earlier(files=[], version=None)
    takes_chunks(scripted, missing=[2])
    words = ["--url", scripted.url, "--project", "demo", "model", "export", str(large), "iris", "--resume"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert sent(scripted) == {2: CHUNKS[2]}
