"""Large V1 bodies straight into arrays: the same arrays, or the same refusals, as by way of lists."""

import numpy as np
import orjson
import pytest

from hopyard.server.bodies import arrays, codec
from hopyard.server.http.requests import Request


def request(body):
    made = Request(None, {})
    made.body = body if isinstance(body, bytes) else orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
    return made


def large(rows, **more):
    return request({"instances": rows, "padding": " " * arrays.LARGE_BYTES, **more})


@pytest.mark.parametrize(
    "rows",
    [
        np.arange(40).reshape(5, 8),
        np.linspace(-1, 1, 40).reshape(5, 8),
        np.arange(48).reshape(3, 2, 8),
        np.arange(9.0),
    ],
)
def test_a_regular_body_never_becomes_lists(rows, monkeypatch):
    monkeypatch.setattr(codec, "decode", None)
    array = arrays.decode(large(rows))
    assert np.array_equal(array, rows)
    assert array.dtype == rows.dtype
    assert array.flags.writeable


@pytest.mark.parametrize(
    "rows",
    [
        [[1, 2.5, *range(8)]],
        [[1.0, *range(8)]],
        [[2**63, *range(8)]],
        [[2**63, *range(8)], [-1] * 9],
        [[True] * 9],
        [[None] * 9],
        [[]],
        [],
        [1] * 9,
        [[1, 2]],
        [[{"a": 1}] * 9],
    ],
)
def test_any_other_body_is_what_its_lists_make(rows):
    expected, found = np.asarray(rows), arrays.decode(large(rows))
    assert (found.dtype, found.tolist()) == (expected.dtype, expected.tolist())


def test_text_is_an_array_of_objects_however_long_one_of_it_is():
    rows = ["a" * 100_000] + ["b"] * 20_000
    found = arrays.decode(request({"instances": rows}))
    assert (found.dtype, found.nbytes) == (object, 8 * len(rows))
    assert found.tolist() == rows


def test_small_and_large_bodies_are_read_alike():
    rows = np.linspace(0, 1, 16).reshape(2, 8)
    assert np.array_equal(arrays.decode(request({"inputs": rows})), arrays.decode(large(rows)))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (large([[1] * 8, [1] * 9]), "not all of the same length"),
        (large([[1] * 8, 1]), "not all of the same length"),
        (large([1], inputs=[1]), "both instances and inputs"),
        (large(5), "The value of instances is a number"),
        (request(b"[" + b" " * arrays.LARGE_BYTES), "The body is not JSON"),
        (request(b" " * arrays.LARGE_BYTES), "The body is empty"),
        (request([[1] * 8] * 3000), "The body is a list"),
    ],
)
def test_what_is_no_array_is_refused_as_small_bodies_are(body, sentence):
    with pytest.raises(codec.BadBody) as caught:
        arrays.decode(body)
    assert sentence in caught.value.sentence


def test_the_last_of_two_keys_counts_however_large_the_body():
    body = b'{"instances": [[%b]], "instances": [[%b]]%b}' % (
        b",".join([b"1"] * 9),
        b",".join([b"2"] * 9),
        b" " * arrays.LARGE_BYTES,
    )
    assert arrays.decode(request(body)).tolist() == [[2] * 9]


def test_nan_is_read_in_a_large_body_too():
    body = b'{"instances": [[NaN, 1, 2, 3, 4, 5, 6, 7, 8]]%b}' % (b" " * arrays.LARGE_BYTES)
    assert np.isnan(arrays.decode(request(body))[0, 0])
