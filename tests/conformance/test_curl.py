"""curl, as the documentation of KServe writes it."""

import json
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")


def curl(server, path, *options):
    """Status, body and what curl tells of the exchange."""
    told = subprocess.run(
        ["curl", "-v", "-s", "-H", "Host: knn.default.example.com", server.url(path), *options],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return told.stdout, told.stderr


@pytest.mark.parametrize("rows", [2, 5_000])
def test_data_is_taken_for_json_though_curl_calls_it_a_form(knn, tmp_path, rows):
    body = json.dumps({"instances": [[0.25, 0.25, 0.25, 0.25]] * rows})
    (tmp_path / "input.json").write_text(body)
    said, told = curl(knn, "/v1/models/knn:predict", "-d", f"@{tmp_path / 'input.json'}")
    assert json.loads(said)["predictions"]["name"] == ["rose"] * rows
    assert "> Content-Type: application/x-www-form-urlencoded" in told
    assert "< HTTP/1.1 200 OK" in told
    assert len(body) > 100_000 or rows == 2


def test_a_client_that_expects_to_be_told_to_continue_is(knn, tmp_path):
    body = json.dumps({"instances": [[9.0, 9.0, 9.0, 9.0]] * 6_000})
    (tmp_path / "input.json").write_text(body)
    said, told = curl(
        knn, "/v1/models/knn:predict", "-H", "Expect: 100-continue", "-d", f"@{tmp_path / 'input.json'}"
    )
    assert len(body) > 100_000
    assert "< HTTP/1.1 100 Continue" in told
    assert set(json.loads(said)["predictions"]["name"]) == {"iris"}


def test_v2_is_asked_the_same_way(knn):
    body = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [9, 9, 9, 9]}]}
    said, _ = curl(knn, "/v2/models/knn/infer", "-d", json.dumps(body))
    assert [each["data"] for each in json.loads(said)["outputs"]] == [[1], ["iris"]]


def test_http_2_is_offered_and_politely_ignored(knn):
    said, told = curl(knn, "/v2/health/live", "--http2")
    assert json.loads(said) == {"live": True}
    assert "< HTTP/1.1 200 OK" in told
