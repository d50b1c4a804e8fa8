"""Whatever bytes and values arrive, the parsers give a result or a sentence, and never anything else."""

import contextlib
import datetime
import decimal
import json
import math
import warnings
from collections import OrderedDict, deque, namedtuple
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import orjson
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from hopyard.server.bodies import arrays, codec, rows, v2
from hopyard.server.bodies.tensors import DTYPES, BadTensor, Tensor, TensorRequest, TensorResponse
from hopyard.server.bodies.v2_requests import BadSchema
from hopyard.server.http.requests import Request
from hopyard.server.replies import Problem

from .fuzzing import thorough
from .wire import Wire, connections, cut, silence

# HTTP

TOKENS = st.text("abcXYZ-_0159", min_size=1, max_size=12).map(str.encode)
METHODS = st.sampled_from([b"POST", b"GET", b"PUT", b"DELETE", b"OPTIONS", b"PATCH"])
BODIES = st.binary(max_size=300)
PLACES = st.lists(st.integers(0, 5000), max_size=12)
OWN = {b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"expect", b"x-request-id"}


@st.composite
def valid_requests(draw):
    """A request and what it says: method, target and body."""
    method, target, body = draw(METHODS), b"/" + draw(TOKENS), draw(BODIES)
    names = draw(st.lists(TOKENS.filter(lambda name: name.lower() not in OWN), max_size=4))
    lines = [b"%b: %b" % (name, draw(TOKENS)) for name in (b"Host", *names)]
    if draw(st.booleans()):
        sizes = draw(st.lists(st.integers(1, 40), max_size=5))
        edges = [0, *(min(len(body), sum(sizes[: n + 1])) for n in range(len(sizes))), len(body)]
        parts = [body[start:end] for start, end in pairwise(edges) if end > start]
        sent = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        lines.append(b"Transfer-Encoding: chunked")
    else:
        sent = body
        lines.append(b"Content-Length: %d" % len(body))
    head = b"%b %b HTTP/1.1\r\n%b\r\n\r\n" % (method, target, b"\r\n".join(lines))
    return head + sent, (method, target, body)


@st.composite
def mutations(draw, of):
    """These bytes with a few of them changed, lost, doubled or added."""
    data = bytearray(draw(of))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        until = min(len(data), at + draw(st.integers(0, 8)))
        data[at:until] = draw(st.one_of(st.just(bytes(data[at:until]) * 2), st.binary(max_size=4), SPLICES))
    return bytes(data)


SPLICES = st.sampled_from(
    [
        b"\r\n",
        b"\n",
        b"\r\n\r\n",
        b"\0",
        b" ",
        b"\r\nContent-Length: 5",
        b"\r\nTransfer-Encoding: chunked",
        b"\r\nTransfer-Encoding: gzip, chunked",
        b"\r\nConnection: close",
        b"\r\nConnection: Upgrade\r\nUpgrade: h2c",
        b"\r\nExpect: 100-continue",
        b"0\r\n\r\n",
        b"ffffffffffffffff\r\n",
        b"HTTP/1.0",
        b"CONNECT ",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ]
)


@thorough
@given(
    st.lists(valid_requests(), max_size=12),
    PLACES,
    st.booleans(),
)
def test_valid_requests_are_answered_once_each_and_in_order(requests, places, later):
    wire = Wire(connections(), later=later)
    with silence():
        wire.feed(*cut(b"".join(sent for sent, _ in requests), places)).answer_all()
    wire.check()
    said = [(each[0].encode(), each[1].encode(), bytes.fromhex(each[2])) for _, each in wire.answers()]
    assert said == [expected for _, expected in requests] == wire.asked
    assert not wire.closed


@thorough
@given(
    mutations(st.lists(valid_requests(), max_size=4).map(lambda each: b"".join(s for s, _ in each))), PLACES
)
def test_mutated_requests_are_answered_or_refused(sent, places):
    wire, whole = Wire(connections()), Wire(connections())
    with silence():
        wire.feed(*cut(sent, places))
        whole.feed(sent)
    wire.check()
    assert wire.asked == whole.asked


@thorough
@given(st.lists(st.binary(max_size=300), max_size=6))
def test_random_bytes_are_answered_or_refused(chunks):
    wire = Wire(connections())
    with silence():
        wire.feed(*chunks)
    wire.check()


# JSON

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)
Point = namedtuple("Point", "x y")


class Evil:
    """Fails however it is looked at."""

    def __getattr__(self, name):
        raise ValueError(name)

    def __repr__(self):
        raise ValueError("repr")

    def __len__(self):
        raise ValueError("len")


class EvilList(list):
    def __iter__(self):
        raise ValueError("iter")


class EvilDict(dict):
    def items(self):
        raise ValueError("items")


class EvilMapping(Mapping):
    def __getitem__(self, name):
        raise ValueError(name)

    def __iter__(self):
        return iter(["a"])

    def __len__(self):
        return 1


class EvilArray:
    def tolist(self):
        raise MemoryError


def _holding_itself():
    loop = [1]
    loop.append({"again": loop})
    return loop


UNDATED = npst.scalar_dtypes().filter(lambda dtype: dtype.kind != "M")
ODD = st.one_of(
    st.text(),
    st.binary(max_size=5),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.decimals(),
    st.dates(),
    st.datetimes(timezones=st.none() | st.just(datetime.UTC)),
    st.timedeltas(),
    st.fractions(),
    st.uuids(),
    npst.arrays(UNDATED, npst.array_shapes(min_dims=0, min_side=0, max_side=3)),
    UNDATED.flatmap(npst.from_dtype),
    st.builds(
        lambda make: make(),
        st.sampled_from(
            [
                Evil,
                lambda: EvilList([1]),
                lambda: EvilDict(a=b"1"),
                EvilMapping,
                EvilArray,
                _holding_itself,
                object,
                lambda: Evil,
                lambda: Point(1, b"2"),
                lambda: deque([b"1"]),
                lambda: OrderedDict(a={1}),
                lambda: decimal.Decimal("sNaN"),
                lambda: decimal.Decimal("1e999999"),
                lambda: (each for each in [1]),
                lambda: pd.DataFrame({"a": [1, None], "b": ["x", b"y"]}),
                lambda: pd.Series([pd.NaT, pd.Timestamp("2026-01-02"), 1j], dtype=object),
                lambda: pd.Index([decimal.Decimal("1.5")]),
                lambda: np.array([object(), 1], dtype=object),
                lambda: np.array("2026-01-02", dtype="M8[D]"),
                lambda: [[[]]] * 3 + [json.loads("[" * 400 + "]" * 400)],
                lambda: {json.dumps: 1, Evil(): b"2"},
            ]
        ),
    ),
)
KEYS = st.text() | st.integers() | st.none() | st.booleans() | st.tuples(st.integers()) | st.just(np.int64(3))
ANYTHING = st.recursive(
    ODD,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4) | st.tuples(inner, inner)
    ),
    max_leaves=8,
)


@thorough
@given(PLAIN)
def test_plain_values_come_back_from_json_as_they_were(value):
    assert codec.parse(codec.dumps(value)) == value
    assert json.loads(codec.encode(value)) == {"predictions": value}


@thorough
@given(ANYTHING)
def test_any_value_is_written_or_named(value):
    for write in (codec.encode, codec.dumps):
        try:
            json.loads(write(value))
        except codec.Unserialisable:
            continue


DATES = npst.arrays(
    npst.datetime64_dtypes(endianness="<"), npst.array_shapes(min_dims=0, min_side=0, max_side=3)
)


@thorough
@given(DATES)
def test_dates_are_told_and_what_is_no_time_is_null(dates):
    for value in (dates, {"when": dates}, [{"when": dates}], list(dates.ravel())):
        text = codec.encode(value)
        assert text.count(b"null") == np.isnat(dates).sum()
        assert json.loads(codec.dumps(value)) == json.loads(text)["predictions"]


@thorough
@given(
    st.one_of(
        st.binary(max_size=100),
        mutations(PLAIN.map(lambda value: json.dumps({"instances": value}).encode())),
        mutations(PLAIN.map(lambda value: json.dumps([value, math.nan, -math.inf]).encode())),
        st.integers(1, 3000).map(lambda depth: b'{"inputs":' + b"[" * depth + b"NaN" + b"]" * depth + b"}"),
    )
)
def test_any_body_is_read_or_refused(body):
    for read in (codec.parse, codec.decode):
        try:
            codec.dumps(read(body))
        except (codec.BadBody, codec.Unserialisable):
            continue


# Tensors

BAD = (BadTensor, BadSchema)
OWN_ERRORS = (ValueError, MemoryError, AttributeError)  # of the values themselves
ELEMENTS = {"BYTES": st.binary(max_size=20)} | {
    datatype: npst.from_dtype(np.dtype(code)) for datatype, code in DTYPES.items()
}


@st.composite
def tensors(draw, datatypes=tuple(ELEMENTS), name=None):
    """A tensor that holds an array of any datatype and shape."""
    datatype = draw(st.sampled_from(datatypes))
    shape = draw(npst.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4))
    code = "O" if datatype == "BYTES" else DTYPES[datatype]
    elements = draw(st.lists(ELEMENTS[datatype], min_size=math.prod(shape), max_size=math.prod(shape)))
    array = np.empty(len(elements), dtype=code)
    array[:] = elements
    return Tensor(name or draw(st.text("abc", min_size=1)), datatype, shape, array=array.reshape(shape))


def request(body, **headers):
    given = {name.replace("_", "-").encode(): str(value).encode() for name, value in headers.items()}
    made = Request(None, given)
    made.body, made.id = body, b"fuzz"
    return made


def same(one, other):
    return (
        one.dtype == other.dtype
        and one.shape == other.shape
        and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    )


@thorough
@given(tensors())
def test_a_tensor_comes_back_from_raw_bytes_as_it_was(tensor):
    again = Tensor("x", tensor.datatype, tensor.shape, raw=bytes(tensor.as_raw()))
    assert same(again.as_array(), tensor.as_array())
    assert again.as_raw() == tensor.as_raw()


@thorough
@given(
    st.sampled_from([*ELEMENTS, "BF16", "STRING", ""]),
    st.lists(st.integers(-1, 5), max_size=3),
    st.binary(max_size=40),
)
def test_any_raw_bytes_are_a_tensor_or_refused(datatype, shape, raw):
    tensor = Tensor("x", datatype, shape, raw=raw)
    try:
        array = tensor.as_array()
    except BadTensor:
        pass
    else:
        assert array.size == len(tensor.as_list())


@thorough
@given(
    st.lists(tensors(), min_size=1, max_size=4, unique_by=lambda each: each.name), st.booleans(), st.data()
)
def test_tensors_come_back_from_a_body_as_they_were(sent, is_binary, data):
    wanted = {each.name for each in sent if data.draw(st.booleans())} if is_binary else set()
    sent = [each for each in sent if each.name in wanted or each.datatype not in ("FP16", "BYTES")]
    head, body = v2._write_raw(TensorResponse("iris", sent), wanted)
    document = orjson.loads(body[:head])
    document["inputs"] = document.pop("outputs")
    first = orjson.dumps(document)
    whole = request(first + body[head:], inference_header_content_length=len(first))
    asked = v2.read(whole, "iris", "")
    assert [each.name for each in asked.inputs] == [each.name for each in sent]
    for one, other in zip(asked.inputs, sent, strict=True):
        expected = other.as_array()
        if one.raw is None and expected.dtype.kind == "f":  # JSON has no infinity
            expected = np.where(np.isfinite(expected), expected, np.array(np.nan, expected.dtype))
        assert same(one.as_array(), expected)


@thorough
@given(
    mutations(
        st.lists(tensors(), min_size=1, max_size=2).map(
            lambda sent: v2._write_raw(TensorResponse("iris", sent), {each.name for each in sent})[1].replace(
                b'"outputs"', b'"inputs"', 1
            )
        )
    ),
    st.integers(0, 400),
    st.booleans(),
)
def test_a_mutated_body_of_tensors_is_read_or_refused(body, length, has_length):
    asked = request(body, inference_header_content_length=length) if has_length else request(body)
    end = body.rfind(b"}") + 1
    for each in (asked, request(body, inference_header_content_length=end)):
        try:
            v2.as_json(v2.read(each, "iris", ""))
            rows.as_lists(rows.rows_of(v2.read(each, "iris", "")))
        except BAD:
            continue


@thorough
@given(
    st.fixed_dictionaries(
        {
            "inputs": st.lists(
                st.fixed_dictionaries(
                    {
                        "name": st.text("ab") | PLAIN,
                        "datatype": st.sampled_from([*ELEMENTS, "fp32"]) | PLAIN,
                        "shape": st.lists(st.integers(-1, 3), max_size=3) | PLAIN,
                        "data": st.lists(st.integers(0, 3) | st.floats() | PLAIN, max_size=4) | PLAIN,
                    },
                    optional={"parameters": PLAIN},
                ),
                max_size=3,
            )
            | PLAIN
        },
        optional={"id": PLAIN, "parameters": st.just({"content_type": "pd"}) | PLAIN, "outputs": PLAIN},
    )
)
def test_any_document_is_read_or_refused(document):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a double may be too large for a float
        with contextlib.suppress(BAD):
            rows.rows_of(v2.read(request(orjson.dumps(document)), "iris", ""))


@thorough
@given(ANYTHING)
def test_any_prediction_is_a_response_or_a_sentence(value):
    asked = TensorRequest("iris", [])
    for outputs in (set(), {rows.OUTPUT}):
        try:
            response = rows.response_of(value, asked)
            v2._write_raw(response, outputs)
            v2.write(response)
        except (Problem, codec.Unserialisable, *OWN_ERRORS):
            continue


# V1 into arrays

NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.booleans()


@thorough
@given(
    st.lists(st.lists(st.one_of(st.integers(-9, 9), NUMBERS), min_size=9, max_size=9), min_size=1, max_size=4)
    | st.lists(st.integers(-(2**63), 2**64 - 1), min_size=8, max_size=9)
    | st.lists(st.lists(PLAIN, min_size=8, max_size=9), min_size=1, max_size=3),
    st.sampled_from(["instances", "inputs"]),
)
def test_a_large_body_is_the_array_its_lists_make(given_rows, key):
    body = orjson.dumps({key: given_rows}) + b" " * arrays.LARGE_BYTES
    try:
        rows = codec.decode(body)
        expected = np.asarray(rows)
        as_objects = np.asarray(rows, dtype=object)
        if str in set(map(type, as_objects.flat)):
            expected = as_objects
    except ValueError:
        expected = None
    try:
        found = arrays.decode(request(body))
    except codec.BadBody:
        found = None
    assert (found is None and expected is None) or (same(found, expected) and found.flags.writeable)
