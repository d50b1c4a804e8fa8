"""Only callers with a valid key may predict."""

import hashlib
import hmac
import json
import os
import time

import pytest

from hopyard.server.keys import KeyRing

from .process import ECHO, ServerProcess, eventually
from .topics import Topic

PEPPER = b"pepper"
KEY = "hop_ab12_secret_with_underscores"
OTHER = "hop_cd34_other"


def keys_document(*keys, expires_at=None, internal="token"):
    entries = [
        {
            "id": key.split("_")[1],
            "digest": hmac.new(PEPPER, key.encode(), hashlib.sha256).hexdigest(),
            "expires_at": expires_at,
        }
        for key in keys
    ]
    return json.dumps({"pepper": PEPPER.hex(), "internal": internal, "keys": entries})


def replace(path, text):
    partial = path.with_suffix(".new")
    partial.write_text(text)
    partial.replace(path)


@pytest.fixture
def keys_file(tmp_path):
    path = tmp_path / "keys.json"
    path.write_text(keys_document(KEY))
    return path


@pytest.fixture
def server(serve, keys_file):
    return serve(KEYS_FILE=keys_file).ready()


@pytest.fixture(scope="module")
def steady(tmp_path_factory):
    """One server for the tests that leave its keys alone."""
    directory = tmp_path_factory.mktemp("steady")
    (directory / "keys.json").write_text(keys_document(KEY))
    server = ServerProcess(directory, ECHO, {"KEYS_FILE": directory / "keys.json"})
    yield server.ready()
    server.close()


def status(server, key=KEY):
    return server.predict(1, headers={"Authorization": f"ApiKey {key}"}).status_code


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"ApiKey {KEY}"},
        {"Authorization": f"Bearer {KEY}"},
        {"Authorization": f"apikey {KEY}"},
        {"X-API-Key": KEY},
        {"X-Hopyard-Internal": "token"},
        {"Authorization": "Basic eDp5", "X-API-Key": KEY},
    ],
)
def test_every_documented_header_is_accepted_again_and_again(steady, headers):
    assert [steady.predict(1, headers=headers).status_code for _ in range(3)] == [200, 200, 200]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": f"ApiKey {OTHER}"},
        {"Authorization": f"ApiKey {KEY}x"},
        {"Authorization": "ApiKey"},
        {"Authorization": "ApiKey hop_ab12_"},
        {"Authorization": f"Basic {KEY}"},
        {"X-API-Key": KEY.removeprefix("hop_")},
        {"X-Hopyard-Internal": "tokem"},
        {"X-Hopyard-Internal": ""},
        {"X-API-Key": "hop_\xff_\xfe"},
    ],
)
def test_anything_else_is_unauthorized(steady, headers):
    encoded = {name: value.encode("latin-1") for name, value in headers.items()}
    answer = steady.predict(1, headers=encoded)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "ApiKey"
    assert answer.json()["code"] == "NotAuthenticated"


def test_health_and_metrics_need_no_key_and_the_rest_does(server):
    codes = {
        path: server.get(path).status_code for path in ("/v2/health/live", "/v2/health/ready", "/metrics")
    }
    assert set(codes.values()) == {200}
    assert server.get("/v1/models/iris").status_code == 401
    assert server.post("/v1/models/guess:predict", json={}).status_code == 401
    assert server.get("/v1/models", headers={"X-API-Key": KEY}).status_code == 200


def test_an_expired_key_is_refused_even_when_it_was_seen_before(serve, tmp_path):
    path = tmp_path / "keys.json"
    path.write_text(keys_document(KEY, expires_at=time.time() + 1.5))
    server = serve(KEYS_FILE=path).ready()
    assert status(server) == 200
    eventually(lambda: status(server) == 401)


def test_a_changed_file_adds_and_revokes_keys(server, keys_file):
    assert (status(server), status(server, OTHER)) == (200, 401)
    replace(keys_file, keys_document(OTHER))
    eventually(lambda: status(server) == 401)
    assert status(server, OTHER) == 200


def test_a_broken_or_missing_file_keeps_the_last_good_keys(server, keys_file):
    replace(keys_file, "{")
    eventually(lambda: "cannot be read, so the keys read before stay valid" in server.log)
    assert status(server) == 200
    keys_file.unlink()
    eventually(lambda: "FileNotFoundError" in server.log)
    assert status(server) == 200


@pytest.mark.parametrize("text", ["", '{"pepper": "zz", "keys": []}', '{"pepper": "00", "keys": [1]}'])
def test_a_file_broken_from_the_start_refuses_everybody_until_it_is_mended(serve, tmp_path, text):
    path = tmp_path / "keys.json"
    path.write_text(text)
    server = serve(KEYS_FILE=path).ready()
    assert status(server) == 401
    assert "everybody is refused" in server.log
    replace(path, keys_document(KEY))
    os.utime(path)
    eventually(lambda: status(server) == 200)


@pytest.mark.parametrize(
    ("headers", "caller"),
    [
        ({"X-Hopyard-Internal": "token", "X-Hopyard-Caller": "caf\xe9"}, "caf\xe9"),
        ({"X-Hopyard-Internal": "token"}, "internal"),
        ({"X-Hopyard-Internal": "tokem", "X-Hopyard-Caller": "mallory"}, None),
        ({"X-Hopyard-Caller": "mallory"}, None),
        ({"X-API-Key": KEY, "X-Hopyard-Caller": "mallory"}, "ab12"),
        ({"X-API-Key": KEY, "X-Hopyard-Internal": "tokem", "X-Hopyard-Caller": "mallory"}, "ab12"),
    ],
)
def test_the_named_caller_is_believed_only_with_the_internal_token(keys_file, headers, caller):
    encoded = {name.lower().encode(): value.encode("latin-1") for name, value in headers.items()}
    assert KeyRing(keys_file).identify(encoded, time.time()) == caller


def test_without_keys_nobody_is_believed_to_be_a_caller(serve, tmp_path):
    topic = Topic(tmp_path)
    server = serve(**topic.settings).ready()
    server.predict(1, headers={"X-Hopyard-Internal": "", "X-Hopyard-Caller": "mallory"})
    assert server.terminate() == 0
    (record,) = topic.records
    assert record["keyId"] == ""


def test_a_file_without_an_internal_token_accepts_none(serve, tmp_path):
    path = tmp_path / "keys.json"
    path.write_text(keys_document(KEY, internal=""))
    assert serve(KEYS_FILE=path).ready().predict(1, headers={"X-Hopyard-Internal": ""}).status_code == 401
