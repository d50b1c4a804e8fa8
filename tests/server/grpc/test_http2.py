"""HTTP/2 as a peer speaks it, well or badly (RFC 9113)."""

import signal
import struct
from contextlib import suppress

import pytest

from hopyard.server.grpc import frames
from hopyard.server.grpc.frames import Code
from tests.server.process import eventually

from .peer import Answer, Peer, infer_request

PING = frames.frame(frames.PING, 0, 0, b"12345678")
SLOW = """
import time

class Predict:
    def predict(self, inputs):
        time.sleep(0.5)
        return inputs
"""


def values(answer):
    return list(answer.message("ModelInferResponse").outputs[0].contents.fp64_contents)


def infers(peer):
    return values(peer.call("ModelInfer", infer_request([1, 2]))) == [1, 2]


def test_the_server_announces_its_limits(peer):
    frame = peer.until(frames.SETTINGS)
    told = dict(frames.SETTING.iter_unpack(frame[3]))
    assert told[frames.MAX_CONCURRENT_STREAMS] == 256
    assert told[frames.INITIAL_WINDOW_SIZE] == 8 * 1024 * 1024


def test_many_calls_share_a_connection(peer):
    asked = {peer.ask("ModelInfer", infer_request([n])): n for n in range(250)}
    assert all(values(peer.answer(number)) == [n] for number, n in asked.items())


def test_a_stream_over_the_limit_is_refused_and_the_others_go_on(peer):
    numbers = [peer.begin("ModelInfer") for _ in range(257)]
    assert peer.answer(numbers[-1]).reset == Code.REFUSED_STREAM
    peer.put(numbers[0], infer_request([1]).SerializeToString())
    assert values(peer.answer(numbers[0])) == [1]
    assert infers(peer)


def test_everything_may_arrive_byte_by_byte(echo):
    with Peer(echo.address, greets=False) as peer:
        sent = [frames.PREFACE, frames.settings({})]
        peer.send, send = sent.append, peer.send
        number = peer.ask("ModelInfer", infer_request([1, 2]))
        for byte in b"".join(sent):
            send(bytes((byte,)))
        assert values(peer.answer(number)) == [1, 2]


def test_a_large_message_crosses_both_ways_in_the_windows_of_a_usual_client(serve):
    with Peer(serve().ready().address) as peer:
        numbers = [float(n) for n in range(1_500_000)]
        number = peer.ask("ModelInfer", infer_request(numbers, raw=True))
        answer = peer.answers[number]
        taken = 0
        while not answer.ended:
            assert peer.read()
            more = len(answer.body) - taken
            taken += more
            if more:
                peer.send(frames.window_update(0, more) + frames.window_update(number, more))
        (raw,) = answer.message("ModelInferResponse").raw_output_contents
        assert raw == struct.pack(f"<{len(numbers)}d", *numbers)


def test_no_more_is_sent_than_the_windows_allow(connect):
    peer = connect({frames.INITIAL_WINDOW_SIZE: 10})
    number = peer.ask("ModelInfer", infer_request([1.0] * 100, raw=True))
    answer = peer.answers[number]
    while len(answer.body) < 10:
        peer.read()
    peer.send(PING)
    assert peer.until(frames.PING)
    assert len(answer.body) == 10
    peer.send(frames.frame(frames.SETTINGS, 0, 0, frames.SETTING.pack(frames.INITIAL_WINDOW_SIZE, 30)))
    while len(answer.body) < 30:
        peer.read()
    peer.send(frames.window_update(number, 100_000))
    assert len(peer.answer(number).message("ModelInferResponse").raw_output_contents[0]) == 800


def test_a_small_answer_waits_for_the_window_of_the_connection(peer):
    big = peer.ask("ModelInfer", infer_request([1.0] * 10_000, raw=True))
    while len(peer.answers[big].body) < frames.FIRST_WINDOW:
        assert peer.read()
    small = peer.ask("ModelInfer", infer_request([1.0]))
    peer.send(frames.window_update(big, 100_000) + frames.window_update(0, 100_000))
    assert values(peer.answer(small)) == [1.0]
    assert len(peer.answer(big).message("ModelInferResponse").raw_output_contents[0]) == 80_000


def test_headers_may_be_padded_prioritised_and_continued(peer):
    block = peer.head("ModelInfer")
    payload = b"\x03" + bytes(5) + block[:4] + bytes(3)
    flags = frames.PADDED | frames.WITH_PRIORITY
    message = infer_request([1, 2]).SerializeToString()
    data = b"\x02" + struct.pack(">BL", 0, len(message)) + message + bytes(2)
    peer.answers[1] = Answer()
    peer.send(
        frames.frame(frames.HEADERS, flags, 1, payload)
        + frames.frame(frames.CONTINUATION, 0, 1, block[4:9])
        + frames.frame(frames.CONTINUATION, frames.END_HEADERS, 1, block[9:])
        + frames.frame(frames.PRIORITY, 0, 1, bytes(5))
        + frames.frame(0x77, 0xFF, 1, b"of another time")
        + frames.frame(frames.DATA, frames.PADDED | frames.END_STREAM, 1, data)
    )
    assert values(peer.answer(1)) == [1, 2]


def test_a_request_may_end_with_trailers(peer):
    number = peer.begin("ModelInfer")
    peer.put(number, infer_request([1, 2]).SerializeToString(), ends=False)
    block = bytes(peer.encoder.encode([("x-checksum", "1")]))
    peer.send(frames.frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, number, block))
    assert values(peer.answer(number)) == [1, 2]


def test_a_changed_dynamic_table_changes_what_headers_mean(peer):
    for name in ("abc", "def", "abc", "ghi") * 3:
        assert peer.call("ModelInfer", infer_request([1]), x_request_id=name).headers["x-request-id"] == name


def test_a_client_without_a_header_table_understands_the_answers(connect):
    peer = connect({frames.HEADER_TABLE_SIZE: 0})
    peer.decoder.max_allowed_table_size = 0
    assert infers(peer)
    assert infers(peer)


def test_a_ping_is_answered(peer):
    peer.send(PING)
    _, flags, number, payload = peer.until(frames.PING)
    assert (flags, number, payload) == (frames.ACK, 0, b"12345678")


def _headers(block, *, number=1, flags=frames.END_HEADERS):
    return frames.frame(frames.HEADERS, flags, number, block)


def _settings(name, value):
    return frames.frame(frames.SETTINGS, 0, 0, frames.SETTING.pack(name, value))


RUDE = {
    "data of no stream": (frames.frame(frames.DATA, 0, 0, b"x"), Code.PROTOCOL_ERROR),
    "data of an idle stream": (frames.frame(frames.DATA, 0, 5, b"x"), Code.PROTOCOL_ERROR),
    "an even stream": (_headers(b"\x88", number=2), Code.PROTOCOL_ERROR),
    "headers of no stream": (_headers(b"\x88", number=0), Code.PROTOCOL_ERROR),
    "padding longer than the frame": (
        frames.frame(frames.HEADERS, frames.PADDED, 1, b"\xff"),
        Code.PROTOCOL_ERROR,
    ),
    "a frame too large": (frames.head(16_385, frames.DATA, 0, 1), Code.FRAME_SIZE_ERROR),
    "a priority cut short": (_headers(b"x", flags=frames.WITH_PRIORITY | 4), Code.FRAME_SIZE_ERROR),
    "an index of nothing": (_headers(b"\xff\xff\x01"), Code.COMPRESSION_ERROR),
    "a string without an end": (_headers(b"\x00\x7f\xff"), Code.COMPRESSION_ERROR),
    "an integer without an end": (_headers(b"\xff" + b"\xff" * 20), Code.COMPRESSION_ERROR),
    "a table too large": (_headers(b"\x3f\xff\xff\x03"), Code.COMPRESSION_ERROR),
    "a continuation of nothing": (frames.frame(frames.CONTINUATION, 4, 1, b""), Code.PROTOCOL_ERROR),
    "another frame inside headers": (_headers(b"", flags=0) + PING, Code.PROTOCOL_ERROR),
    "endless continuations": (
        _headers(b"", flags=0) + frames.frame(frames.CONTINUATION, 0, 1, b"") * 20_000,
        Code.ENHANCE_YOUR_CALM,
    ),
    "large continuations": (
        _headers(b"", flags=0) + frames.frame(frames.CONTINUATION, 0, 1, bytes(16_000)) * 3,
        Code.ENHANCE_YOUR_CALM,
    ),
    "a push": (frames.frame(frames.PUSH_PROMISE, 4, 1, bytes(4)), Code.PROTOCOL_ERROR),
    "a short ping": (frames.frame(frames.PING, 0, 0, b"1"), Code.FRAME_SIZE_ERROR),
    "a ping of a stream": (frames.frame(frames.PING, 0, 1, bytes(8)), Code.PROTOCOL_ERROR),
    "many pings": (PING * 20_000, Code.ENHANCE_YOUR_CALM),
    "many settings": (frames.settings({}) * 20_000, Code.ENHANCE_YOUR_CALM),
    "short settings": (frames.frame(frames.SETTINGS, 0, 0, b"1"), Code.FRAME_SIZE_ERROR),
    "settings of a stream": (frames.frame(frames.SETTINGS, 0, 1, b""), Code.PROTOCOL_ERROR),
    "an acknowledgement that says something": (
        frames.frame(frames.SETTINGS, frames.ACK, 0, bytes(6)),
        Code.FRAME_SIZE_ERROR,
    ),
    "a wrong ENABLE_PUSH": (_settings(frames.ENABLE_PUSH, 2), Code.PROTOCOL_ERROR),
    "a wrong MAX_FRAME_SIZE": (_settings(frames.MAX_FRAME_SIZE, 1), Code.PROTOCOL_ERROR),
    "a wrong INITIAL_WINDOW_SIZE": (_settings(frames.INITIAL_WINDOW_SIZE, 2**31), Code.FLOW_CONTROL_ERROR),
    "a window update of 0": (frames.window_update(0, 0), Code.PROTOCOL_ERROR),
    "a window over 2^31": (frames.window_update(0, 2**31 - 1), Code.FLOW_CONTROL_ERROR),
    "a window of an idle stream": (frames.window_update(9, 1), Code.PROTOCOL_ERROR),
    "a reset of an idle stream": (frames.reset(9, Code.CANCEL), Code.PROTOCOL_ERROR),
    "a short reset": (frames.frame(frames.RST_STREAM, 0, 1, b""), Code.FRAME_SIZE_ERROR),
    "a goaway of a stream": (frames.frame(frames.GOAWAY, 0, 1, bytes(8)), Code.PROTOCOL_ERROR),
}


@pytest.mark.parametrize("name", RUDE)
def test_a_broken_rule_ends_the_connection_with_its_code(peer, name):
    data, code = RUDE[name]
    with suppress(ConnectionError):
        peer.send(data)
    assert peer.goaway() == code


def test_headers_that_unfold_to_too_much_end_the_connection(peer):
    field = bytes(peer.encoder.encode([("x-long", "a" * 4000)], huffman=False))
    again = bytes(peer.encoder.encode([("x-long", "a" * 4000)], huffman=False))
    peer.send(_headers(field + again * 100))
    assert peer.goaway() == Code.ENHANCE_YOUR_CALM


def test_rapid_resets_end_the_connection(peer):
    blocks = [peer.head("ModelInfer"), peer.head("ModelInfer")]
    pairs = (
        _headers(blocks[number > 1], number=number) + frames.reset(number, Code.CANCEL)
        for number in range(1, 4001, 2)
    )
    peer.send(b"".join(pairs))
    assert peer.goaway() == Code.ENHANCE_YOUR_CALM


@pytest.mark.parametrize(
    "changes",
    [
        {":path": None},
        {":status": "200"},
        {"te": "gzip"},
        {"connection": "close"},
        {"X-Upper": "1"},
        {"x-line": "a\nb"},
    ],
)
def test_malformed_headers_end_their_stream_alone(peer, changes):
    number = peer.begin("ModelInfer", **changes)
    assert peer.answer(number).reset == Code.PROTOCOL_ERROR
    assert infers(peer)


def test_frames_after_the_end_of_a_stream_end_that_stream(serve):
    with Peer(serve(SLOW).ready().address) as peer:
        number = peer.ask("ModelInfer", infer_request([1]))
        peer.send(frames.frame(frames.DATA, 0, number, b"more"))
        assert peer.answer(number).reset == Code.STREAM_CLOSED
        assert infers(peer)


def test_frames_of_a_call_that_was_answered_early_are_ignored(peer):
    number = peer.begin("ModelTrain")
    assert peer.answer(number).trailers["grpc-status"] == "12"
    peer.put(number, bytes(50_000))
    peer.send(frames.window_update(number, 5) + frames.reset(number, Code.CANCEL))
    assert infers(peer)


def test_more_data_than_the_window_ends_the_stream(connect):
    peer = connect({frames.INITIAL_WINDOW_SIZE: 0})  # nothing can be answered, so nothing more is asked for
    number = peer.begin("ModelStreamInfer")
    message = infer_request([1.0] * 1000, raw=True).SerializeToString()
    for _ in range(9 * 1024 * 1024 // len(message)):
        peer.put(number, message, ends=False)
    assert peer.answer(number).reset == Code.FLOW_CONTROL_ERROR


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + PING])
def test_the_port_of_grpc_alone_wants_its_preface_and_settings(serve, first):
    server = serve(GRPC_PORT=0).ready()
    port = int(server.log.split("Listening for gRPC on 127.0.0.1:")[1].split()[0])
    with Peer(("127.0.0.1", port), greets=False) as peer:
        peer.send(first)
        assert peer.goaway() == Code.PROTOCOL_ERROR
    with Peer(("127.0.0.1", port)) as peer:
        assert infers(peer)


def test_draining_lets_calls_end_and_says_goodbye(serve):
    server = serve(SLOW).ready()
    with Peer(server.address) as peer:
        number = peer.ask("ModelInfer", infer_request([7]))
        eventually(lambda: server.metric("hopyard_in_flight") == 1)
        server.process.send_signal(signal.SIGTERM)
        assert values(peer.answer(number)) == [7]
        assert peer.goaway() == Code.NO_ERROR
    assert server.process.wait(20) == 0
