"""Anything a peer may send: the server does not fail, does not hang, and says why it leaves."""

import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from hopyard.server.grpc import frames

from .test_time import BODY, HEAD, ask
from .wire import HELLO, Wire, wired

EXAMPLES = 400
STREAM = b"/inference.GRPCInferenceService/ModelStreamInfer"
STREAM_HEAD = HEAD.replace(b"\x2a/inference", b"\x30/inference").replace(b"/ModelInfer", b"/ModelStreamInfer")
NUMBERS = st.integers(0, 9) | st.integers(0, 2**31 - 1)

blocks = st.sampled_from(
    [HEAD.replace(b"\x2aModelInfer", b"\x2aModelInfer"), HEAD, b"\x88", b""]
) | st.binary(max_size=60)
payloads = st.one_of(
    st.binary(max_size=40),
    blocks,
    st.sampled_from([BODY, BODY[:20], bytes(4), bytes(8), b"\0\4\0\0\0\0", b"\0\4\0\1\0\0", b"\0\0\0\1"]),
)
one_frame = st.builds(
    frames.frame,
    st.integers(0, 11),
    st.sampled_from([0, 1, 4, 5, 8, 0xD, 0x25, 0x2D]) | st.integers(0, 255),
    NUMBERS,
    payloads,
)
sound_call = st.builds(
    ask,
    st.sampled_from(range(1, 40, 2)),
    st.sampled_from([BODY, BODY * 2, b"", BODY[:9]]),
    ends=st.booleans(),
    head=st.sampled_from([HEAD, STREAM_HEAD]),
)


def assert_sane(wire: Wire) -> None:
    assert wire.socket.frames is not None  # whole frames only
    for _ in range(80):
        wire.wait(30)
    if not wire.socket.closing and not wire.socket.goaways:
        left = wire.protocol._incoming.streams.values()
        assert not [each for each in left if each.ended or each.call.head.path != STREAM], (
            "a call that never ends"
        )


def run(parts: list[bytes], cuts: list[int]) -> None:
    data = HELLO + b"".join(parts)
    with wired(body_bytes=10_000) as wire:
        at = 0
        for cut in [*cuts, len(data)]:
            wire.feed(data[at : at + cut])
            at += cut
        assert_sane(wire)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(one_frame | sound_call, max_size=12), st.lists(st.integers(1, 200), max_size=6))
def test_frames_of_every_kind_in_any_order(parts, cuts):
    run(parts, cuts)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.binary(max_size=400), st.lists(st.integers(1, 100), max_size=6))
def test_any_bytes(garbage, cuts):
    run([garbage], cuts)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.data())
def test_a_sound_conversation_with_a_few_wrong_bytes(data):
    whole = bytearray(ask(1) + ask(3, BODY, ends=False) + frames.window_update(0, 9) + ask(5))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    run([bytes(whole)], [])


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(0, 60)), min_size=1, max_size=20), st.integers(0, 300)
)
def test_answers_are_whole_whatever_the_windows(updates, first):
    """However the peer opens its windows, what it gets on a stream is the answer, and no byte too many."""
    with wired() as wire:
        wire.feed(frames.PREFACE + frames.settings({frames.INITIAL_WINDOW_SIZE: first}))
        wire.feed(ask(1) + ask(3))
        allowed = {1: first, 3: first}
        for more, _ in updates:
            for number in allowed:
                if wire.protocol._incoming.streams.get(number):
                    allowed[number] += more
                    wire.feed(frames.window_update(number, more))
        for number, window in allowed.items():
            got = b"".join(p for k, _, n, p in wire.socket.frames if k == frames.DATA and n == number)
            assert len(got) <= window
            wire.feed(frames.window_update(number, 100_000))
            got = b"".join(p for k, _, n, p in wire.socket.frames if k == frames.DATA and n == number)
            assert struct.unpack_from(">BL", got) == (0, len(got) - 5)
