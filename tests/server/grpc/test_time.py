"""Peers that are too slow, or away: what the sweep makes of them."""

import struct

from hopyard.server.grpc import frames
from hopyard.server.grpc.frames import Code
from hopyard.server.grpc.headers import encode

from .peer import infer_request
from .wire import HELLO, wired

HEAD = encode(
    [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", b"/inference.GRPCInferenceService/ModelInfer"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
    ]
)
MESSAGE = infer_request([1.0] * 100, raw=True).SerializeToString()
BODY = struct.pack(">BL", 0, len(MESSAGE)) + MESSAGE


def ask(number=1, body=BODY, *, ends=True, head=HEAD):
    begun = frames.frame(frames.HEADERS, frames.END_HEADERS, number, head)
    return begun + frames.frame(frames.DATA, frames.END_STREAM * ends, number, body)


def test_a_preface_that_does_not_come_ends_the_connection():
    with wired(head=20) as wire:
        wire.feed(HELLO[:30])
        wire.wait(19)
        assert wire.socket.goaways == []
        wire.wait(2)
        assert wire.socket.goaways == [Code.PROTOCOL_ERROR]
        wire.wait(5)
        assert wire.socket.aborted


def test_a_frame_that_does_not_end_ends_the_connection():
    with wired(head=20) as wire:
        wire.feed(HELLO)
        wire.wait(1000)
        wire.feed(ask()[:-1])
        for _ in range(3):
            wire.wait(7)
        assert wire.socket.goaways == [Code.PROTOCOL_ERROR]


def test_a_busy_connection_may_stop_inside_of_frames_again_and_again():
    with wired(head=20) as wire:
        data = HELLO + b"".join(ask(number) for number in range(1, 101, 2))
        for at in range(0, len(data), 600):
            wire.feed(data[at : at + 600])
            wire.wait(5)
        assert wire.socket.goaways == []


def test_headers_that_are_not_continued_end_the_connection():
    with wired(head=20) as wire:
        wire.feed(HELLO + frames.frame(frames.HEADERS, 0, 1, HEAD))
        wire.wait(21)
        assert wire.socket.goaways == [Code.PROTOCOL_ERROR]


def test_a_message_that_does_not_end_ends_its_call_alone():
    with wired(head=20, body=30) as wire:
        wire.feed(HELLO + ask(1, BODY[:50], ends=False) + ask(3, b"", ends=False))
        wire.wait(31)
        resets = [
            (number, payload) for kind, _, number, payload in wire.socket.frames if kind == frames.RST_STREAM
        ]
        assert resets == [(1, bytes(4)), (3, bytes(4))]
        assert wire.socket.goaways == []
        wire.feed(ask(5))
        assert wire.socket.frames[-1][:3] == (frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, 5)


def test_a_peer_that_takes_nothing_is_left():
    with wired(write=60) as wire:
        wire.feed(frames.PREFACE + frames.settings({frames.INITIAL_WINDOW_SIZE: 100}) + ask())
        wire.wait(59)
        wire.feed(frames.window_update(1, 50))
        wire.wait(59)
        assert not wire.socket.closing
        wire.wait(2)
        assert wire.socket.aborted


def test_a_peer_that_takes_slowly_gets_everything():
    with wired(write=60) as wire:
        wire.feed(frames.PREFACE + frames.settings({frames.INITIAL_WINDOW_SIZE: 0}) + ask())
        for _ in range(100):
            wire.wait(50)
            wire.feed(frames.window_update(1, 10))
        assert wire.socket.frames[-1][:3] == (frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, 1)
        wire.wait(1000)
        assert not wire.socket.closing


def test_a_full_socket_is_left_when_it_stays_full():
    with wired(write=60) as wire:
        wire.feed(HELLO)
        wire.protocol.pause_writing()
        wire.wait(59)
        wire.protocol.resume_writing()
        wire.wait(30)
        assert not wire.socket.closing
        wire.protocol.pause_writing()
        wire.wait(61)
        assert wire.socket.aborted


def test_an_answer_waits_while_the_socket_is_full():
    with wired() as wire:
        wire.feed(HELLO)
        wire.protocol.pause_writing()
        wire.feed(ask())
        assert not [kind for kind, *_ in wire.socket.frames if kind == frames.DATA]
        wire.protocol.resume_writing()
        wire.protocol._outgoing.flush()
        assert [kind for kind, *_ in wire.socket.frames if kind == frames.DATA]


def test_an_idle_connection_is_kept_for_an_hour():
    with wired() as wire:
        wire.feed(HELLO + ask() + ask(3) + frames.reset(3, Code.CANCEL))
        wire.wait(3500)
        assert not wire.socket.closing
        wire.feed(ask(5))
        wire.wait(1)
        wire.wait(3601)
        assert (wire.socket.goaways, wire.socket.closing) == ([Code.NO_ERROR], True)


def test_a_call_that_is_being_made_keeps_its_connection():
    with wired(answers=False) as wire:
        wire.feed(HELLO + ask())
        for _ in range(10):
            wire.wait(3000)
        assert not wire.socket.closing
        assert not wire.protocol.idle


def test_the_drain_says_goodbye_once():
    with wired() as wire:
        wire.feed(HELLO)
        wire.connections.draining = True
        wire.wait(1)
        wire.wait(1)
        assert wire.socket.goaways == [Code.NO_ERROR]
        wire.feed(ask())
        assert wire.socket.frames[-1][0] == frames.HEADERS
        wire.protocol.close()
        assert wire.socket.goaways == [Code.NO_ERROR, Code.NO_ERROR]


def test_a_socket_that_empties_at_once_does_not_widen_the_windows():
    """Writing may call back into the sending before it returns: uvloop pauses and resumes inside of `write`."""
    with wired(body_bytes=10_000_000) as wire:
        write = wire.socket.write

        def write_and_empty(data):
            write(data)
            wire.protocol.pause_writing()
            wire.protocol.resume_writing()

        settings = {frames.INITIAL_WINDOW_SIZE: 2**30, frames.MAX_FRAME_SIZE: 2**20}
        wire.feed(frames.PREFACE + frames.settings(settings))
        message = infer_request([1.0] * 100_000, raw=True).SerializeToString()
        body = struct.pack(">BL", 0, len(message)) + message
        wire.socket.write = write_and_empty
        for number in (1, 3, 5):
            wire.feed(frames.frame(frames.HEADERS, frames.END_HEADERS, number, HEAD))
            for at in range(0, len(body), 16_384):
                ends = frames.END_STREAM * (at + 16_384 >= len(body))
                wire.feed(frames.frame(frames.DATA, ends, number, body[at : at + 16_384]))
        wire.feed(frames.window_update(0, 2**20 - frames.FIRST_WINDOW))
        assert data_bytes(wire) == 2**20
        wire.feed(frames.window_update(0, 2**24))
        ended = [
            number for kind, flags, number, _ in wire.socket.frames if flags & 1 and kind == frames.HEADERS
        ]
        assert sorted(ended) == [1, 3, 5]


def data_bytes(wire):
    return sum(len(payload) for kind, _, _, payload in wire.socket.frames if kind == frames.DATA)
