"""Bodies that cannot be stored or answered are refused before anything sees them."""

import json

import pytest
from rest_framework.test import APIClient

UPLOADS = "/api/projects/garden/models/iris/uploads/"
ODD = {
    "a lone surrogate": '{"description": "\\ud800"}',
    "a lone surrogate in a name": '{"metrics": {"\\udfff": 1}}',
    "a NUL": '{"description": "a\\u0000b"}',
    "a NUL deep inside": '{"metrics": {"a": [{"b\\u0000": 1}]}}',
    "no end of nesting": "[" * 100_000,
    "NaN": '{"metrics": {"a": NaN}}',
    "infinity": '{"metrics": {"a": -Infinity}}',
    "infinity by its exponent": '{"provenance": {"a": 1e400}}',
    "infinity where nobody looks": '{"nothing": [{"a": -1E+999}]}',
    "a huge number": '{"metrics": {"a": 1' + "0" * 4000 + "}}",
    "half a document": '{"metrics": ',
}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
@pytest.mark.parametrize("url", [UPLOADS, "/api/projects/garden/servings/", "/api/login/"])
def test_an_odd_body_is_refused_with_a_sentence(url: str, body: str, api: APIClient) -> None:
    answer = api.generic("POST", url, body, "application/json")
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_bytes_that_are_no_utf8_are_refused(api: APIClient) -> None:
    answer = api.generic("POST", UPLOADS, b'{"description": "\xff"}', "application/json")
    assert (answer.status_code, answer.json()["error"]["message"]) == (
        400,
        "The body is not valid UTF-8 text.",
    )


def test_an_escaped_backslash_before_u0000_is_no_nul(api: APIClient) -> None:
    answer = api.generic("POST", UPLOADS, json.dumps({"description": "\\u0000"}), "application/json")
    assert answer.status_code == 201


def test_another_media_type_is_refused(api: APIClient) -> None:
    assert api.generic("POST", UPLOADS, "a=b", "application/x-www-form-urlencoded").status_code == 415
