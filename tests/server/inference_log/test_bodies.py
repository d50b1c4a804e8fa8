"""Bodies of calls: kept as text if they are JSON of a size to keep, and by size and sha256 otherwise."""

import hashlib

import pytest

from hopyard.server.inference_log.bodies import MOST_BYTES, NOTHING, Body, whole


def test_json_is_kept_as_it_came():
    raw = '{"instances": [[1.10, "ä"]],  "a": 1, "a": 2}'.encode()
    assert whole(raw) == Body(raw.decode(), len(raw))
    assert whole(b'{"predictions": [NaN]}').text == '{"predictions": [NaN]}'


def test_no_body_is_nothing():
    assert whole(b"") == whole(None) == NOTHING == Body("", 0)


@pytest.mark.parametrize(
    "raw",
    [
        b"\x89PNG\r\n\x1a\n\x00",
        b'{"instances": [1, 2',
        b'{"a": "\xff\xfe"}',
        b"hello",
        b"   ",
        b'"\\ud800"',
        b'"' + b"a" * MOST_BYTES + b'"',
        b"[" * 5000 + b"]" * 5000,
    ],
    ids=["binary", "broken", "not UTF-8", "text", "blank", "half a character", "large", "deep"],
)
def test_anything_else_is_kept_by_size_and_digest(raw):
    assert whole(raw) == Body("", len(raw), hashlib.sha256(raw).hexdigest())


def test_the_largest_body_that_is_kept_has_64_kb():
    raw = b'"' + b"a" * (MOST_BYTES - 2) + b'"'
    assert len(raw) == 64 * 1024
    assert whole(raw).text == raw.decode()


def test_a_body_that_was_too_large_to_pass_on_is_known_by_its_digest():
    assert whole((50_000_000, "ab" * 32)) == Body("", 50_000_000, "ab" * 32)
