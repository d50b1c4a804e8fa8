"""The short way of usual records writes what the long way does, and leaves every other record to it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hopyard.server.inference_log import encoding, plain
from hopyard.server.inference_log.bodies import MOST_BYTES, whole
from hopyard.server.inference_log.encoding import Told

from .shipper import record
from .test_encoding import ORIGIN, SECONDS, TEXTS

short = plain.encoder(ORIGIN)
long_way = encoding.encoder(encoding.NEWEST, ORIGIN)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS, lambda inner: st.lists(inner, max_size=3), max_leaves=5
).map(lambda document: json.dumps(document, ensure_ascii=False).encode())
BODIES = st.none() | st.just(b"") | JSON | st.binary(max_size=20)


def by_the_long_way(found):
    return long_way(Told(found, whole(found[10]), whole(found[11]), found[12]))


@settings(deadline=None)
@given(
    st.builds(
        record,
        st.integers(),
        requested_at=st.floats(1, 4e9),
        status=st.integers(0, 600),
        request_id=TEXTS.map(str.encode),
        protocol=TEXTS,
        verb=TEXTS,
        seconds=SECONDS,
        queue=SECONDS,
        key_id=st.none() | TEXTS,
        inputs=BODIES,
        outputs=BODIES,
        error=st.none() | TEXTS,
    )
)
def test_what_the_short_way_writes_is_what_the_long_way_does(found):
    written = short(found)
    assert written is None or written == by_the_long_way(found)


@pytest.mark.parametrize(
    "inputs", [b'{"instances":[[1]]}', None, b"", "caf\xe9".encode().join([b'["', b'"]'])]
)
def test_a_usual_record_takes_the_short_way(inputs):
    usual = record(1, inputs=inputs, outputs=b'{"predictions":[1]}', error=None)
    assert short(usual) == by_the_long_way(usual)


@pytest.mark.parametrize(
    "odd",
    [
        {"error": "ValueError: no"},
        {"inputs": b"{\xff"},
        {"inputs": b'["' + b"x" * MOST_BYTES + b'"]'},
        {"outputs": (10, "ab" * 32)},
        {"request_id": "caf\xe9".encode()},
        {"request_id": b"a\0b"},
    ],
    ids=str,
)
def test_what_is_not_as_usual_is_left_to_the_long_way(odd):
    assert short(record(1, **{"error": None} | odd)) is None
