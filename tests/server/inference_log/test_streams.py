"""Answers in pieces are recorded by all that was sent, and not by its beginning."""

import hashlib

import pytest

from tests.server.topics import Topic

SCRIPT = """
    class Predict:
        def predict(self, inputs):
            count, size = inputs
            for _ in range(count):
                yield b"x" * size
        async def classify(self, inputs):
            return self.each()
        async def each(self):
            for piece in ('{"a"', ":", "[1]}"):
                yield piece
"""


@pytest.fixture
def topic(tmp_path):
    return Topic(tmp_path)


@pytest.mark.parametrize(
    ("count", "size"),
    [(100, 10_000), (3, 1_000_000), (1, 65_537), (2, 100)],
    ids=["many", "large", "one", "small"],
)
def test_a_stream_is_recorded_by_its_size_and_digest(serve, topic, count, size):
    server = serve(SCRIPT, **topic.settings).ready()
    answer = server.predict(count, size)
    assert answer.content == b"x" * count * size
    (record,) = topic.having(1)
    assert (record["responseHttpCode"], record["inferenceResponse"]) == (200, "")
    assert (record["responseBytes"], record["responseSha256"]) == (
        count * size,
        hashlib.sha256(answer.content).hexdigest(),
    )


def test_a_stream_that_is_short_json_is_kept(serve, topic):
    server = serve(SCRIPT, **topic.settings).ready()
    assert server.post("/v1/models/iris:classify", json={"instances": [1]}).text == '{"a":[1]}'
    (record,) = topic.having(1)
    assert (record["inferenceResponse"], record["responseBytes"]) == ('{"a":[1]}', 9)


def test_of_a_stream_that_is_not_asked_for_nothing_is_kept(serve, topic):
    server = serve(SCRIPT, INFERENCE_LOGGING="MODEL_INPUTS", **topic.settings).ready()
    server.predict(100, 10_000)
    (record,) = topic.having(1)
    assert (record["responseBytes"], record["responseSha256"]) == (0, "")
