"""Whether two answers are the same, and where they differ."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.replays.comparing import Answer, compare

TOLERANCE = 1e-6


def told(old: object, new: object, *, tolerance: float = TOLERANCE) -> tuple[bool, str, float | None]:
    found = compare(Answer(200, json.dumps(old)), Answer(200, json.dumps(new)), tolerance=tolerance)
    return found.differs, found.sentence, found.largest_change


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"predictions": [1.0]}, {"predictions": [1]}),
        ({"predictions": [0.1 + 0.2]}, {"predictions": [0.3]}),
        ({"id": "a", "model_name": "m", "outputs": [1]}, {"id": "b", "model_name": "n", "outputs": [1]}),
        ({"id": "a", "timestamp": "x", "score": 1}, {"id": "b", "timestamp": "y", "score": 1}),
        ([float("nan")], [float("nan")]),
        ("setosa", "setosa"),
    ],
)
def test_answers_that_say_the_same_do_not_differ(old: object, new: object) -> None:
    assert told(old, new) == (False, "", None)


@pytest.mark.parametrize(
    ("old", "new", "sentence", "change"),
    [
        ({"predictions": [1, 2]}, {"predictions": [1, 5]}, "[1]: 2, now 5", 3.0),
        ({"predictions": ["a"]}, {"predictions": ["b"]}, '[0]: "a", now "b"', None),
        ({"predictions": [1]}, {"predictions": [1, 2]}, "length of the answer: 1, now 2", None),
        (
            {"predictions": [{"p": 0.5}]},
            {"predictions": [{"q": 0.5}]},
            "[0].p: 0.5, now nothing; [0].q: nothing, now 0.5",
            None,
        ),
        ({"outputs": [{"data": [1]}]}, {"outputs": [{"data": [True]}]}, "[0].data[0]: 1, now true", None),
        ({"predictions": None}, {"predictions": 0}, "null, now 0", None),
        (
            {"predictions": [0] * 5},
            {"predictions": [1] * 5},
            "[0]: 0, now 1; [1]: 0, now 1; [2]: 0, now 1; and 2 more",
            1.0,
        ),
    ],
)
def test_what_differs_is_said_with_its_place(
    old: object, new: object, sentence: str, change: float | None
) -> None:
    assert told(old, new) == (True, sentence, change)


def test_the_tolerance_is_absolute_or_relative() -> None:
    assert told([1000.0], [1000.5], tolerance=1e-3)[0] is False
    assert told([0.0], [0.0005], tolerance=1e-3)[0] is False
    assert told([1.0], [1.01], tolerance=1e-3) == (True, "[0]: 1.0, now 1.01", pytest.approx(0.01))


def test_another_status_is_a_difference_with_the_new_ones_words() -> None:
    found = compare(Answer(200, "{}"), Answer(500, '{"error": "no weights."}'), tolerance=0)
    assert (found.differs, found.sentence) == (True, "Answered 200, now 500: no weights.")
    assert compare(Answer(400, ""), Answer(400, '{"error": "other words"}'), tolerance=0).differs is False


def test_texts_that_are_no_json_are_compared_as_they_are() -> None:
    assert compare(Answer(200, "ok"), Answer(200, "ok"), tolerance=0).differs is False
    assert (
        compare(Answer(200, "ok"), Answer(200, "OK"), tolerance=0).sentence == "The answers are other texts."
    )
    assert compare(Answer(200, "[" * 100_000), Answer(200, "[]"), tolerance=0).differs is True


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_an_answer_never_differs_from_itself(document: object) -> None:
    assert told(document, document)[0] is False


@given(JSON, JSON)
def test_to_differ_is_mutual_and_always_has_words(one: object, other: object) -> None:
    there, sentence, _ = told(one, other)
    assert there == told(other, one)[0]
    assert bool(sentence) == there
