"""The values of a call by name, from the bodies of every protocol."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.records import fields

TENSORS = [
    {"name": "width", "shape": [2, 1], "datatype": "FP32", "data": [1.5, 2.5]},
    {"name": "rows", "shape": [2, 2], "datatype": "INT32", "data": [[1, 2], [3, 4]]},
    {"name": "flat", "shape": [2, 2], "datatype": "INT32", "data": [1, 2, 3, 4]},
]
BODIES: list[tuple[Any, dict[str, list[Any]]]] = [
    ({"instances": [[1, 2.5], [3, 4]]}, {"0": [1, 3], "1": [2.5, 4]}),
    ({"inputs": [5, 6]}, {"": [5, 6]}),
    ({"inputs": [{"a": 1, "b": "x"}, {"a": 2, "b": None}]}, {"a": [1, 2], "b": ["x", None]}),
    ({"inputs": {"a": [1, 2], "b": [True, False]}}, {"a": [1, 2], "b": [True, False]}),
    ({"instances": [{"a": {"b": 1, "c": [2, 3]}}]}, {"a.b": [1], "a.c": [2, 3]}),
    ({"inputs": TENSORS[:1], "id": "7"}, {"width": [1.5, 2.5]}),
    ({"inputs": TENSORS[1:2]}, {"rows.0": [1, 3], "rows.1": [2, 4]}),
    ({"outputs": TENSORS[2:]}, {"flat.0": [1, 3], "flat.1": [2, 4]}),
    ({"columns": ["a", "b"], "data": [[1, 2], [3, 4]]}, {"a": [1, 3], "b": [2, 4]}),
    ({"dataframe_split": {"columns": ["a"], "index": [0], "data": [[1]]}}, {"a": [1]}),
    ({"inputs": {"columns": ["a"], "data": [[1]]}}, {"a": [1]}),
    ({"predictions": ["big", "small"]}, {"": ["big", "small"]}),
    ({"predictions": 0.25}, {"": [0.25]}),
    ({"predictions": {"label": "x", "score": 0.5}}, {"label": ["x"], "score": [0.5]}),
    ({"id": "1", "model_name": "m", "outputs": [7], "timestamp": "now"}, {"": [7]}),
    ({"name": "Ann", "age": 9, "id": "1"}, {"name": ["Ann"], "age": [9]}),
    ([[1, 2]], {"0": [1], "1": [2]}),
    ({"instances": [[[1, 2], [3, 4]]]}, {"0": [1], "1": [2], "2": [3], "3": [4]}),
    ({"error": "no"}, {}),
    ("text", {}),
    (7, {}),
]


@pytest.mark.parametrize(("body", "expected"), BODIES, ids=range(len(BODIES)))
def test_values_are_found_by_name(body: Any, expected: dict[str, list[Any]]) -> None:
    assert fields.columns(json.dumps(body)) == expected


@pytest.mark.parametrize("body", ["", "no json", "[" * 100_000, '{"inputs": [', "\ud800"])
def test_a_body_that_is_no_json_has_none(body: str) -> None:
    assert fields.of(body, body) == {"in": {}, "out": {}}


def test_odd_values_are_kept_as_the_database_takes_them() -> None:
    values = ["NaN", "-Infinity", "1e400", "1" + "0" * 40, r'"\u0000"', r'"\ud800"', f'"{"x" * 200}"']
    body = f'{{"inputs": [{", ".join(values)}]}}'
    found = fields.columns(body)[""]
    assert found == ["nan", "-inf", "inf", "1" + "0" * 40, "\ufffd", "?", "x" * 100]


def test_a_large_body_is_kept_within_bounds() -> None:
    wide = fields.columns(json.dumps({"instances": [[0] * 500] * 500}))
    assert (len(wide), {len(values) for values in wide.values()}) == (64, {32})
    tensor = {"name": "x", "shape": [500, 500], "datatype": "INT8", "data": [0] * 250_000}
    assert len(fields.columns(json.dumps({"inputs": [tensor]}))) == 64


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["name", "data"]), inner),
)
KEYS = st.sampled_from(["instances", "inputs", "outputs", "columns", "data", "shape", "dataframe_split"])


@given(ANY | st.dictionaries(KEYS, ANY))
def test_any_json_gives_bounded_values_that_a_database_takes(body: Any) -> None:
    found = fields.columns(json.dumps(body))
    assert len(found) <= 64
    for name, values in found.items():
        assert len(name) <= 100
        assert len(values) <= 32
        assert all(not isinstance(each, str) or len(each) <= 100 for each in values)
        assert not any("\0" in text for text in [name, *values] if isinstance(text, str))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
