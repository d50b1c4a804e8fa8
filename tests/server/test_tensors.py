"""Tensors of the protocol to arrays, bytes and lists, and back."""

import numpy as np
import pytest

from hopyard.server.bodies.tensors import BadTensor, Tensor, datatype_of


def tensor(datatype, shape, **content):
    return Tensor("x", datatype, shape, **content)


def test_raw_bytes_are_little_endian_and_row_major():
    raw = bytes.fromhex("0100 0200 0300 0400")
    assert tensor("UINT16", [2, 2], raw=raw).as_array().tolist() == [[1, 2], [3, 4]]
    big = np.array([[1, 2], [3, 4]], dtype=">u2").T
    assert tensor("UINT16", [2, 2], array=big).as_raw() == bytes.fromhex("0100 0300 0200 0400")


def test_booleans_are_one_byte_each():
    assert tensor("BOOL", [3], raw=b"\0\1\1").as_list() == [False, True, True]
    assert tensor("BOOL", [2], data=[True, False]).as_raw() == b"\1\0"


def test_strings_have_their_length_in_front():
    raw = b"\3\0\0\0abc\0\0\0\0"
    assert tensor("BYTES", [2], raw=raw).as_list() == [b"abc", b""]
    for data in (["abc", ""], [b"abc", b""], [["abc"], [""]]):
        assert tensor("BYTES", [2], data=data).as_raw() == raw
    assert tensor("BYTES", [1], data=[5]).as_raw() == b"\1\0\0\0005"


def test_raw_content_is_not_copied():
    raw = bytes(range(16))
    array = tensor("UINT8", [4, 4], raw=raw).as_array()
    assert not array.flags.owndata
    assert array.base is not None
    assert tensor("UINT8", [16], raw=raw).as_raw() is raw


def test_lists_are_flat_whatever_they_came_as():
    assert tensor("INT64", [2, 2], data=[[1, 2], [3, 4]]).as_list() == [1, 2, 3, 4]
    assert tensor("INT64", [4], data=[1, 2, 3, 4]).as_list() == [1, 2, 3, 4]
    assert tensor("BYTES", [2], data=["a", ["b"]]).as_list() == ["a", "b"]


def test_lists_as_deep_as_they_like_are_walked():
    deep = ["a"]
    for _ in range(50_000):
        deep = [deep]
    assert tensor("BYTES", [1], data=deep).as_list() == ["a"]
    for _ in range(50_000):  # freed one by one, as a list is freed by recursion
        deep = deep[0]


def test_an_unknown_size_is_filled_in():
    assert tensor("INT8", [-1, 2], data=[1, 2, 3, 4]).as_array().shape == (2, 2)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (tensor("FP32", [3], data=[1, 2]), "2 values, which do not fill the shape [3]"),
        (tensor("FP32", [1], raw=b"123"), "3 bytes, not a multiple of 4"),
        (tensor("BYTES", [1], raw=b"\xff\xff\xff\xffa"), "ends inside one of its elements"),
        (tensor("STRING", [1], data=["a"]), "it is not a datatype of the protocol"),
        (tensor("BF16", [1], raw=b"12"), "numpy has none"),
        (tensor("UINT8", [1], data=[-1]), "is not UINT8 throughout"),
        (tensor("INT32", [1], data=[float("nan")]), "is not INT32 throughout"),
    ],
)
def test_what_is_no_such_tensor_is_named(given, sentence):
    with pytest.raises(BadTensor) as caught:
        given.as_array()
    assert sentence in caught.value.sentence
    assert (caught.value.status, caught.value.code) == (400, "BadBody")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (tensor("BF16", [1], array=np.array([1.0])), "datatype BF16"),
        (tensor("FP32", [1], array=np.array(["rose"])), "is not FP32 throughout"),
        (tensor("BYTES", [1], data=["\ud800"]), "not Unicode"),
    ],
)
def test_what_cannot_be_written_raw_is_named(given, sentence):
    with pytest.raises(BadTensor) as caught:
        given.as_raw()
    assert sentence in caught.value.sentence


@pytest.mark.parametrize(
    ("code", "datatype"),
    [
        ("?", "BOOL"),
        ("u1", "UINT8"),
        (">i8", "INT64"),
        ("f2", "FP16"),
        ("f8", "FP64"),
        ("U3", "BYTES"),
        ("O", "BYTES"),
    ],
)
def test_an_array_has_a_datatype(code, datatype):
    assert datatype_of(np.zeros(1, dtype=code)) == datatype


@pytest.mark.parametrize("code", ["c8", "M8[s]", "longdouble", "V3"])
def test_an_array_the_protocol_has_no_datatype_for_is_named(code):
    with pytest.raises(BadTensor) as caught:
        datatype_of(np.zeros(1, dtype=code))
    assert "has no datatype in the protocol" in caught.value.sentence


@pytest.mark.parametrize("shape", [[20_000_000, 0], [0, 2**40], [2**40, 0, 1]])
def test_rows_that_nothing_backs_are_refused(shape):
    with pytest.raises(BadTensor, match="has no values, and yet the shape"):
        Tensor("x", "FP32", shape, data=[]).as_array()
