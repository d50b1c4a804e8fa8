"""Tensors to the rows a model is asked with, and what it answers to tensors."""

import datetime

import numpy as np
import pandas as pd
import pytest

from hopyard.server.bodies import rows
from hopyard.server.bodies.codec import Unserialisable
from hopyard.server.bodies.tensors import BadTensor, Tensor, TensorRequest
from hopyard.server.flavors import Alone


def asked(*tensors, **more):
    return TensorRequest("iris", list(tensors), id="call-1", **more)


def answered(value):
    response = rows.response_of(value, asked())
    return {each.name: (each.datatype, list(each.shape), each.as_list()) for each in response.outputs}


def test_one_input_is_an_array_of_its_own():
    raw = np.array([[1, 2]], dtype="<f4").tobytes()
    payload = rows.rows_of(asked(Tensor("x", "FP32", [1, 2], raw=memoryview(raw))))
    assert payload.tolist() == [[1, 2]]
    assert payload.flags.writeable
    assert rows.as_lists(payload) == [[1, 2]]


def test_strings_are_text_where_all_of_them_are():
    def payload(*words):
        return rows.rows_of(asked(Tensor("x", "BYTES", [len(words)], data=list(words)))).tolist()

    assert payload(b"r\xc3\xa4v", "iris") == ["räv", "iris"]
    assert payload(b"\xff", b"iris") == [b"\xff", b"iris"]


def test_several_inputs_are_handed_over_together_and_alone():
    inputs = (Tensor("a", "INT32", [2], data=[1, 2]), Tensor("b", "BYTES", [1], data=[b"x"]))
    payload = rows.rows_of(asked(*inputs))
    assert type(payload) is Alone
    assert {name: each.tolist() for name, each in payload.payload.items()} == {"a": [1, 2], "b": ["x"]}
    assert rows.as_lists(payload).payload == {"a": [1, 2], "b": ["x"]}


def test_pandas_is_a_frame_with_a_column_for_each_input():
    inputs = (Tensor("a", "INT32", [2, 1], data=[1, 2]), Tensor("b", "BYTES", [2], data=[b"x", b"y"]))
    frame = rows.rows_of(asked(*inputs, parameters={"content_type": "pd"}))
    assert frame.to_dict("list") == {"a": [1, 2], "b": ["x", "y"]}
    assert frame.a.dtype == "int32"


@pytest.mark.parametrize(
    ("shape", "sentence"), [([3], "do not make a table"), ([2, 2], "a column has one value in a row")]
)
def test_inputs_that_make_no_table_are_refused(shape, sentence):
    inputs = (
        Tensor("a", "INT32", [2], data=[1, 2]),
        Tensor("b", "INT32", shape, array=np.zeros(shape, "i4")),
    )
    with pytest.raises(BadTensor) as caught:
        rows.rows_of(asked(*inputs, parameters={"content_type": "pd"}))
    assert sentence in caught.value.sentence


def test_a_request_without_rows_is_refused():
    for inputs in ([], [Tensor("x", "FP32", [], data=[1])]):
        with pytest.raises(BadTensor):
            rows.rows_of(asked(*inputs))


class Torch:
    """As far as anybody looks at one."""

    def numpy(self):
        return np.array([1.5], dtype="f4")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([1, 2], {"output-0": ("INT64", [2], [1, 2])}),
        ([[0.5], [1]], {"output-0": ("FP64", [2, 1], [0.5, 1.0])}),
        (["a", "b"], {"output-0": ("BYTES", [2], ["a", "b"])}),
        (np.float32(0.5), {"output-0": ("FP32", [1], [0.5])}),
        (np.array([1.5], dtype="longdouble"), {"output-0": ("FP64", [1], [1.5])}),
        (Torch(), {"output-0": ("FP32", [1], [1.5])}),
        (pd.Series(["a", "b"]), {"output-0": ("BYTES", [2], ["a", "b"])}),
        (pd.Categorical(["a"]), {"output-0": ("BYTES", [1], ["a"])}),
        (pd.DataFrame({"a": [1], 2: ["x"]}), {"a": ("INT64", [1], [1]), "2": ("BYTES", [1], ["x"])}),
        ({"a": [1], "b": 2.5}, {"a": ("INT64", [1], [1]), "b": ("FP64", [1], [2.5])}),
        ([{"a": 1}, None], {"output-0": ("BYTES", [2], [b'{"a":1}', b"null"])}),
        ([[1], [2, 3]], {"output-0": ("BYTES", [2], [b"[1]", b"[2,3]"])}),
        ([datetime.date(2026, 1, 2)], {"output-0": ("BYTES", [1], [b'"2026-01-02"'])}),
        (np.array(["2026-01-02"], "M8[D]"), {"output-0": ("BYTES", [1], [b'"2026-01-02T00:00:00"'])}),
        (np.array(["NaT"], "M8[ns]"), {"output-0": ("BYTES", [1], [b"null"])}),
        (None, {"output-0": ("BYTES", [1], [b"null"])}),
        ([], {"output-0": ("FP64", [0], [])}),
        ({}, {}),
    ],
)
def test_what_a_model_answers_is_named_and_typed(value, expected):
    assert answered(value) == expected


def test_what_no_tensor_can_hold_is_named_with_its_place():
    with pytest.raises(Unserialisable) as caught:
        rows.response_of({"sums": [1, {2: object()}]}, asked())
    assert str(caught.value).startswith("sums[1][2] is a object")


def test_the_response_has_the_request_s_id_or_the_server_s():
    assert rows.response_of([1], asked()).id == "call-1"
    assert rows.response_of([1], TensorRequest("iris", [], request_id="made")).id == "made"
