"""The client against a server that is slow, dies, lies and talks like another program."""

import hashlib
import pickle
import threading
from pathlib import Path
from typing import Any

import pytest

from hopyard.client import (
    ApiError,
    BadRequest,
    Client,
    Conflict,
    ConnectFailed,
    Forbidden,
    HopyardError,
    InvalidArgument,
    NotAuthenticated,
    NotFound,
    ServerError,
    TimedOut,
    TooLarge,
)
from tests.client.scripted import (
    SERVING,
    VERSION,
    Scripted,
    breaks_off,
    drops,
    page,
    refuses,
    says,
    says_raw,
)

HTML = b"<html><style>b {color: red}</style><title>Bad gateway</title><body>nginx is sad</body></html>"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequest),
        (401, NotAuthenticated),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (413, TooLarge),
        (418, ApiError),
        (422, BadRequest),
        (500, ServerError),
    ],
)
def test_each_status_has_its_error(
    client: Client, scripted: Scripted, status: int, kind: type[ApiError]
) -> None:
    scripted.then(refuses(status, "wrong", "That is wrong.", replicas=["Must be at least 1."]))
    with pytest.raises(ApiError) as caught:
        client.servings.get("iris")
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.code, error.message, error.request_id) == (
        status,
        "wrong",
        "That is wrong.",
        "r-1",
    )
    assert error.fields == {"replicas": ["Must be at least 1."]}
    assert str(error) == f"That is wrong. replicas: Must be at least 1. [{status} wrong, request r-1]"


def test_an_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(Conflict(409, "taken", "Taken.", {"name": ["Taken."]}, "r-1")))
    assert (type(error), str(error)) == (Conflict, "name: Taken. [409 taken, request r-1]")


def test_a_page_of_html_is_an_error_that_quotes_it(client: Client, scripted: Scripted) -> None:
    scripted.then(*[says_raw(502, HTML)] * 4)
    with pytest.raises(
        ServerError, match='did not answer as Hopyard does: "Bad gateway nginx is sad"'
    ) as caught:
        client.servings.list()
    assert caught.value.status == 502


def test_html_with_status_200_is_an_error_too(client: Client, scripted: Scripted) -> None:
    scripted.then(says_raw(200, b"<h1>Please log in</h1>"))
    with pytest.raises(ServerError, match="Please log in"):
        client.me()


def test_a_page_not_found_of_another_program_is_not_an_absent_serving(
    client: Client, scripted: Scripted
) -> None:
    scripted.then(says_raw(404, b"<h1>404 Not Found</h1>"))
    with pytest.raises(ServerError, match="404 Not Found"):
        client.servings.exists("iris")


def test_a_proxy_that_finds_a_file_too_large_is_understood(
    client: Client, scripted: Scripted, tmp_path: Path
) -> None:
    (tmp_path / "a.bin").write_bytes(b"abc")
    scripted.then(says_raw(413, b"<h1>Request Entity Too Large</h1>"))
    with pytest.raises(TooLarge):
        client.files.upload(tmp_path / "a.bin")


def test_an_empty_error_still_makes_a_sentence(client: Client, scripted: Scripted) -> None:
    scripted.then(says_raw(500, b""))
    with pytest.raises(ServerError, match="an empty answer"):
        client.me()


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_passing_failure_is_tried_again(
    client: Client, scripted: Scripted, status: int, pauses: list[float]
) -> None:
    scripted.then(says_raw(status, HTML), refuses(status, "busy", "Busy."), page(SERVING))
    assert [serving.name for serving in client.servings.list()] == ["iris"]
    assert len(pauses) == 2
    assert pauses[0] < pauses[1] < 1


def test_a_lasting_failure_is_not_tried_again(client: Client, scripted: Scripted) -> None:
    scripted.then(refuses(500, "broken", "Broken."))
    with pytest.raises(ServerError):
        client.servings.list()
    assert len(scripted.requests) == 1


def test_retries_come_to_an_end(client: Client, scripted: Scripted, pauses: list[float]) -> None:
    scripted.then(*[refuses(503, "busy", "Busy.")] * 10)
    with pytest.raises(ServerError, match="Busy"):
        client.servings.list()
    assert len(scripted.requests) == 4
    assert sum(pauses) < 2


@pytest.mark.parametrize("failure", [drops, breaks_off])
def test_a_broken_connection_is_tried_again(client: Client, scripted: Scripted, failure: Any) -> None:
    scripted.then(failure, page(SERVING))
    assert [serving.name for serving in client.servings.list()] == ["iris"]


def test_a_prediction_is_never_sent_twice(client: Client, scripted: Scripted) -> None:
    scripted.then(drops, says(200, {"predictions": [1]}))
    with pytest.raises(ConnectFailed, match=r"The connection to http://127\.0\.0\.1:[0-9]+ broke"):
        client.servings.predict("iris", {"instances": [[1]]})
    assert len(scripted.requests) == 1


def test_a_change_that_checks_the_revision_is_never_sent_twice(client: Client, scripted: Scripted) -> None:
    scripted.then(refuses(503, "busy", "Busy."), says(200, SERVING))
    with pytest.raises(ServerError):
        client.servings.create_or_update("iris", "Models/iris/1/predictor.py", expected_revision=3)
    assert len(scripted.requests) == 1


def test_deleting_again_after_a_lost_answer_is_a_success(client: Client, scripted: Scripted) -> None:
    scripted.then(drops, refuses(404, "not_found", "There is no such serving."))
    client.servings.delete("iris")
    assert scripted.calls == ["DELETE /api/projects/demo/servings/iris/"] * 2


def test_deleting_what_never_was_is_not_found(client: Client, scripted: Scripted) -> None:
    scripted.then(refuses(404, "not_found", "There is no such serving."))
    with pytest.raises(NotFound):
        client.servings.delete("iris")


def test_nobody_listening_is_said_in_a_sentence(pauses: list[float]) -> None:
    with Client("http://127.0.0.1:1", "hop_test", "demo") as client, pytest.raises(ConnectFailed) as caught:
        client.me()
    assert "http://127.0.0.1:1 cannot be reached" in str(caught.value)
    assert len(pauses) == 3


def test_a_server_that_says_nothing_times_out(scripted: Scripted) -> None:
    scripted.then(scripted.never)
    with (
        Client(scripted.url, "hop_test", "demo", timeout=0.05) as client,
        pytest.raises(TimedOut, match=r"did not answer within 0\.05 seconds"),
    ):
        client.me()


def test_a_redirect_is_not_followed_with_the_key(client: Client, scripted: Scripted) -> None:
    scripted.then(says(301, {}, Location="https://elsewhere.example/api/me/"))
    with pytest.raises(ApiError, match=r"moved to https://elsewhere\.example/api/me/"):
        client.me()
    assert len(scripted.requests) == 1


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ([], "answer is list where dict was expected"),
        ({"name": "iris"}, "answer.status is missing"),
        ({**SERVING, "replicas": "two"}, "answer.replicas is str where int was expected"),
        ({**SERVING, "replicas": True}, "answer.replicas is bool where int was expected"),
        ({**SERVING, "created_at": "yesterday"}, "answer.created_at is not a time: 'yesterday'"),
        ({**SERVING, "resources": [1]}, "answer.resources is list where dict was expected"),
        ({**SERVING, "env": {"A": 1}}, "answer.env.A is int where str was expected"),
    ],
)
def test_json_of_the_wrong_shape_is_the_servers_error(
    client: Client, scripted: Scripted, body: Any, complaint: str
) -> None:
    scripted.then(says(200, body))
    with pytest.raises(ServerError) as caught:
        client.servings.get("iris")
    assert caught.value.code == "unexpected_answer"
    assert complaint in str(caught.value)


@pytest.mark.parametrize("body", [[], {"items": None}, {"items": [1]}, {"results": []}])
def test_a_list_of_the_wrong_shape_is_the_servers_error(
    client: Client, scripted: Scripted, body: Any
) -> None:
    scripted.then(says(200, body))
    with pytest.raises(ServerError, match="does not understand"):
        client.servings.list()


def test_fields_of_a_newer_server_are_ignored(client: Client, scripted: Scripted) -> None:
    scripted.then(
        says(200, {**SERVING, "moods": ["new"], "condition": {"reason": "Ready", "colour": "green"}})
    )
    assert client.servings.get("iris").condition.reason == "Ready"


def test_fields_an_older_server_lacks_have_defaults(client: Client, scripted: Scripted) -> None:
    scripted.then(
        says(200, {"name": "iris", "status": "Running", "description": None, "resources": {"cores": 2}})
    )
    serving = client.servings.get("iris")
    assert (serving.description, serving.resources.cores, serving.resources.memory_mb) == ("", 2.0, 1024)


def test_all_pages_are_read_from_our_own_address(client: Client, scripted: Scripted) -> None:
    scripted.then(
        page(SERVING, following="http://internal:8000/api/projects/demo/servings/?page=2&page_size=1"),
        page({**SERVING, "name": "wine"}),
    )
    assert [serving.name for serving in client.servings.list()] == ["iris", "wine"]
    assert scripted.calls[1] == "GET /api/projects/demo/servings/?page=2&page_size=1"


def test_pages_that_go_in_a_circle_come_to_an_end(client: Client, scripted: Scripted) -> None:
    scripted.on("GET", "/api/projects/demo/servings/", page(SERVING, following=f"{scripted.url}/?page=1"))
    with pytest.raises(ServerError, match="leads to itself"):
        client.servings.list()


def test_the_key_goes_with_every_request(client: Client, scripted: Scripted) -> None:
    scripted.then(page())
    client.models.list()
    assert scripted.requests[0].headers["Authorization"] == "ApiKey hop_test"


def test_names_are_quoted_and_cannot_leave_their_place(client: Client, scripted: Scripted) -> None:
    scripted.then(says(200, SERVING))
    client.servings.get("a/b?c")
    assert scripted.calls == ["GET /api/projects/demo/servings/a%2Fb%3Fc/"]
    for name in ("", ".", ".."):
        with pytest.raises(InvalidArgument):
            client.servings.get(name)
    with pytest.raises(InvalidArgument):
        client.files.delete("Resources/../../servings/iris")


@pytest.mark.parametrize(
    ("body", "sentence", "code"),
    [
        (
            {"error": "The script raised ValueError.", "code": "script_error", "request_id": "r-9"},
            "ValueError",
            "script_error",
        ),
        (
            {"error": {"message": "Not running.", "code": "not_running"}, "request_id": "r-9"},
            "Not running",
            "not_running",
        ),
        ({"error": {"reason": "odd"}, "code": "odd", "request_id": "r-9"}, "reason", "odd"),
        ({"detail": "Nope.", "request_id": "r-9"}, "Nope", "error"),
    ],
)
def test_both_shapes_of_a_prediction_error_are_read(
    client: Client, scripted: Scripted, body: Any, sentence: str, code: str
) -> None:
    scripted.then(says(500, body))
    with pytest.raises(ServerError, match=sentence) as caught:
        client.servings.predict("iris", {"instances": []})
    assert (caught.value.code, caught.value.request_id) == (code, "r-9")


def test_an_upload_is_sent_again_from_its_first_byte(
    client: Client, scripted: Scripted, tmp_path: Path
) -> None:
    content = bytes(range(256)) * 10_000
    (tmp_path / "a.bin").write_bytes(content)
    scripted.then(drops, says(201, {}))
    seen: list[tuple[int, int]] = []
    (stored,) = client.files.upload(
        tmp_path / "a.bin", on_progress=lambda done, total: seen.append((done, total))
    )
    assert stored.path == "Resources/a.bin"
    last = scripted.requests[-1]
    assert last.body == content
    assert last.headers["X-Content-SHA256"] == hashlib.sha256(content).hexdigest()
    assert last.headers["Content-Length"] == str(len(content))
    assert seen[-1] == (len(content), len(content))


def test_a_download_cut_short_leaves_nothing_and_is_tried_again(
    client: Client, scripted: Scripted, tmp_path: Path
) -> None:
    scripted.then(breaks_off, says_raw(200, b"whole"))
    target = client.files.download("Resources/a.txt", tmp_path / "a.txt")
    assert target.read_bytes() == b"whole"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_damaged_file_is_not_kept(client: Client, scripted: Scripted, tmp_path: Path) -> None:
    digest = hashlib.sha256(b"right").hexdigest()
    version = {**VERSION, "files": [{"path": "a.txt", "size": 5, "sha256": digest}]}
    scripted.then(says(200, version), *[says_raw(200, b"wrong")] * 4)
    with pytest.raises(ConnectFailed, match="arrived damaged"):
        client.models.download("iris", 1, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_server_cannot_write_outside_the_folder(client: Client, scripted: Scripted, tmp_path: Path) -> None:
    for path in ("../evil.txt", "/etc/evil", "a/../../evil"):
        scripted.then(says(200, {**VERSION, "files": [{"path": path, "size": 1, "sha256": ""}]}))
        with pytest.raises(HopyardError, match="leads out of"):
            client.models.download("iris", 1, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_one_client_serves_many_threads(client: Client, scripted: Scripted) -> None:
    scripted.on("GET", "/api/projects/demo/servings/iris/", says(200, SERVING))
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(client.servings.status("iris"))) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["Running"] * 20


def test_a_file_that_is_not_what_was_registered_is_not_kept(
    client: Client, scripted: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    registered = {"X-Content-SHA256": hashlib.sha256(b"as registered").hexdigest()}
    scripted.then(
        *[says_raw(200, b"damaged", **registered)] * 4, says_raw(200, b"as registered", **registered)
    )
    with pytest.raises(ConnectFailed, match="arrived damaged"):
        client.files.download("Resources/a.pkl")
    assert not list(tmp_path.iterdir())
    assert client.files.download("Resources/a.pkl").read_bytes() == b"as registered"
