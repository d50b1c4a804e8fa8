"""ModelStreamInfer: many questions on one stream."""

import struct
from itertools import pairwise

from hopyard.server.grpc import frames
from hopyard.server.grpc.infer_stream import UNDER_WAY
from hopyard.server.grpc.messages import CLASSES
from tests.server.process import ServerProcess, eventually

from .peer import Peer, infer_request

SLOW_FIRST = """
import asyncio

class Predict:
    async def predict(self, inputs):
        await asyncio.sleep(0.2 if inputs[0][0] == 0 else 0)
        return inputs
"""


def answers(answer):
    return [CLASSES["ModelStreamInferResponse"].FromString(each) for each in answer.messages]


def ids(answer):
    return [each.infer_response.id for each in answers(answer)]


def ask_all(peer, count, **fields):
    number = peer.begin("ModelStreamInfer")
    for n in range(count):
        message = infer_request([float(n)], id=str(n), **fields).SerializeToString()
        peer.put(number, message, ends=n == count - 1)
    return peer.answer(number)


def test_each_question_is_answered(peer):
    answer = ask_all(peer, 200)
    assert answer.status == 0
    assert ids(answer) == [str(n) for n in range(200)]


def test_answers_keep_the_order_of_the_questions(serve):
    with Peer(serve(SLOW_FIRST, BATCHING="off").ready().address) as peer:
        assert ids(ask_all(peer, 10)) == [str(n) for n in range(10)]


def test_an_error_does_not_end_the_stream(peer):
    number = peer.begin("ModelStreamInfer")
    peer.put(number, infer_request([1.0], name="rose", id="a").SerializeToString(), ends=False)
    peer.put(number, b"\xff", ends=False)
    peer.put(number, infer_request([1.0], id="b").SerializeToString())
    answer = peer.answer(number)
    told = answers(answer)
    assert answer.status == 0
    assert "rose" in told[0].error_message
    assert "no ModelInferRequest" in told[1].error_message
    assert (told[2].error_message, told[2].infer_response.id) == ("", "b")


def test_an_empty_stream_ends_well(peer):
    number = peer.begin("ModelStreamInfer", flags=frames.END_HEADERS | frames.END_STREAM)
    assert (peer.answer(number).status, peer.answer(number).messages) == (0, [])


def test_answers_come_while_the_client_still_asks(peer):
    number = peer.begin("ModelStreamInfer")
    for n in range(3):
        peer.put(number, infer_request([float(n)], id=str(n)).SerializeToString(), ends=False)
        while len(peer.answers[number].messages) <= n:
            assert peer.read()
    assert ids(peer.answers[number]) == ["0", "1", "2"]


def test_a_client_that_does_not_read_is_held_back_and_then_served(echo: ServerProcess):
    def made():
        return echo.metric('hopyard_requests_total{model="iris",verb="infer",status="200"}') - before

    before, count = 0, 2000
    before = made()
    with Peer(echo.address, {frames.INITIAL_WINDOW_SIZE: 0}) as peer:
        number = peer.begin("ModelStreamInfer")
        for n in range(count):
            peer.put(number, infer_request([float(n)], id=str(n)).SerializeToString(), ends=n == count - 1)
        eventually(lambda: made() >= UNDER_WAY)
        peer.send(frames.frame(frames.PING, 0, 0, bytes(8)))
        assert peer.until(frames.PING)
        assert made() == UNDER_WAY
        peer.send(frames.window_update(number, 2**30) + frames.window_update(0, 2**30))
        assert ids(peer.answer(number)) == [str(n) for n in range(count)]


def test_several_messages_may_share_a_frame_and_one_may_span_several(peer):
    number = peer.begin("ModelStreamInfer")
    message = infer_request([1.0], id="x").SerializeToString()
    body = (struct.pack(">BL", 0, len(message)) + message) * 3
    cuts = [0, 3, len(body) // 2, len(body)]
    for start, end in pairwise(cuts):
        flags = frames.END_STREAM if end == len(body) else 0
        peer.send(frames.frame(frames.DATA, flags, number, body[start:end]))
    assert ids(peer.answer(number)) == ["x"] * 3
