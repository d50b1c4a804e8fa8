"""What errors of the platform say in one line."""

import pytest

from hopyard.client import BadRequest


@pytest.mark.parametrize(
    ("message", "fields", "said"),
    [
        ("Wrong.", {}, "Wrong."),
        ("Wrong.", {"a": ["No."]}, "Wrong. a: No."),
        ("No.", {"a": ["No."]}, "a: No."),
        ("a: No.", {"a": ["No."]}, "a: No."),
        ("a: No.", {"a": ["a: No."]}, "a: No."),
        ("a: No.", {"a": ["No.", "Not at all."], "b": ["Neither."]}, "a: No. Not at all. b: Neither."),
        ("b: Neither.", {"a": ["No."], "b": ["Neither."]}, "a: No. b: Neither."),
    ],
)
def test_an_error_names_each_field_and_says_each_sentence_once(
    message: str, fields: dict[str, list[str]], said: str
) -> None:
    assert str(BadRequest(400, "wrong", message, fields)) == f"{said} [400 wrong]"
