"""Header blocks, against the encoder of the hpack library; and the messages' private pool."""

from contextlib import suppress

import hpack
import pytest
from google.protobuf import descriptor_pool
from hypothesis import given
from hypothesis import strategies as st

from hopyard.server.grpc.frames import Code, ConnectionFault
from hopyard.server.grpc.headers import Decoder, encode

FIELDS = st.lists(
    st.tuples(st.sampled_from([b":path", b"te", b"x-a", b"x-b", b"authorization"]), st.binary(max_size=300)),
    max_size=8,
)


@given(st.lists(st.tuples(FIELDS, st.booleans(), st.integers(0, 4096)), max_size=6))
def test_what_an_encoder_writes_is_read(blocks):
    encoder, decoder = hpack.Encoder(), Decoder(limit=100_000)
    for fields, huffman, table in blocks:
        encoder.header_table_size = table
        assert decoder.decode(encoder.encode(fields, huffman=huffman)) == fields


@given(FIELDS)
def test_what_we_write_is_read_and_remembered_by_nobody(fields):
    decoder = hpack.Decoder()
    assert [tuple(field) for field in decoder.decode(encode(fields), raw=True)] == fields
    assert not decoder.header_table.dynamic_entries


@given(st.binary(max_size=200))
def test_any_block_is_read_or_refused(block):
    with suppress(ConnectionFault):
        assert isinstance(Decoder(limit=10_000).decode(block), list)


def test_headers_that_unfold_to_too_much_are_refused():
    encoder, decoder = hpack.Encoder(), Decoder(limit=10_000)
    field = [(b"x-a", b"a" * 3000)]
    block = encoder.encode(field) + encoder.encode(field) * 3
    with pytest.raises(ConnectionFault) as caught:
        decoder.decode(block)
    assert caught.value.code == Code.ENHANCE_YOUR_CALM


def test_messages_stay_out_of_the_default_pool():
    """User code may register the same names, as tritonclient does."""
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName("inference.ModelInferRequest")
