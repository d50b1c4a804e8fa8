"""Every record says where its seconds went: in the queue, before, in and after the model's run."""

import textwrap
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from hopyard.server.calls import HttpCall
from hopyard.server.inference_log.records import QUEUE
from hopyard.server.timings import Times

from .topics import Topic

SLOW = """
    import time
    class Predict:
        def predict(self, inputs):
            time.sleep(0.2)
            return inputs
"""
ASYNC = """
    import asyncio
    class Predict:
        async def predict(self, inputs):
            await asyncio.sleep(0.2)
            return inputs
"""
STAGES = """
    import time
    from kserve import Model
    class Iris(Model):
        def preprocess(self, payload, headers=None):
            time.sleep(0.1)
            return payload
        {predict}(self, payload, headers=None):
            time.sleep(0.2)
            return {{"predictions": payload["instances"]}}
        def postprocess(self, result, headers=None):
            time.sleep(0.05)
            return result
"""
TRANSFORMER = """
import time
class Transformer:
    def preprocess(self, inputs):
        time.sleep(0.1)
        return inputs
    {postprocess}(self, outputs):
        time.sleep(0.05)
        return outputs
"""
NAMES = ("queueSeconds", "preprocessSeconds", "predictSeconds", "postprocessSeconds")


@pytest.fixture
def topic(tmp_path):
    return Topic(tmp_path)


def at_once(server, count):
    """So many predictions that begin together, each over a connection of its own."""

    def ask(number):
        url, headers = server.url("/v1/models/iris:predict"), {"X-Request-Id": str(number)}
        answer = httpx.post(url, json={"instances": [number]}, headers=headers, timeout=20)
        assert answer.status_code == 200, answer.text

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(ask, range(count)))


def seconds(record):
    return tuple(record[name] for name in NAMES)


def test_a_call_that_had_to_wait_says_so(serve, topic):
    server = serve(SLOW.replace("0.2", "1.0"), BATCHING="off", **topic.settings).ready()
    at_once(server, 2)
    first, second = sorted(topic.having(2), key=lambda each: each["queueSeconds"])
    assert first["queueSeconds"] < 0.5 <= second["queueSeconds"]
    for each in (first, second):
        assert 1.0 <= each["predictSeconds"] <= each["seconds"] - each["queueSeconds"]
        assert (each["preprocessSeconds"], each["postprocessSeconds"]) == (-1, -1)


def test_calls_predicted_together_have_the_seconds_of_their_batch(serve, topic):
    server = serve(SLOW, BATCHING="on", **topic.settings).ready()
    at_once(server, 4)
    records = topic.having(4)
    assert len({each["predictSeconds"] for each in records}) < 4
    assert all(0.2 <= each["predictSeconds"] <= each["seconds"] for each in records)


def test_a_batch_that_failed_is_timed_call_by_call(serve, topic):
    script = """
        import time
        class Predict:
            def predict(self, inputs):
                time.sleep(0.1)
                if len(inputs) > 1:
                    raise ValueError("one at a time")
                return inputs
    """
    server = serve(script, BATCHING="on", **topic.settings).ready()
    at_once(server, 3)
    records = topic.having(3)
    assert all(each["predictSeconds"] >= 0.1 for each in records)
    began = [each["requestTimestamp"] / 1000 for each in records]
    took = max(start + each["seconds"] for start, each in zip(began, records, strict=True)) - min(began)
    assert sum(each["predictSeconds"] for each in records) <= took + 0.01  # one after the other


def test_calls_that_are_awaited_are_timed_too(serve, topic):
    server = serve(ASYNC, **topic.settings).ready()
    at_once(server, 3)
    for each in topic.having(3):
        assert each["predictSeconds"] >= 0.19  # uvloop's clock has milliseconds
        assert each["queueSeconds"] + each["predictSeconds"] <= each["seconds"]


@pytest.mark.parametrize("predict", ["def predict", "async def predict"])
def test_the_stages_of_a_model_are_told_apart(serve, topic, predict):
    server = serve(STAGES.format(predict=predict), **topic.settings).ready()
    at_once(server, 1)
    (record,) = topic.having(1)
    queue, before, predicted, after = seconds(record)
    assert before >= 0.1
    assert predicted >= 0.2
    assert after >= 0.05
    assert queue + before + predicted + after <= record["seconds"]


@pytest.mark.parametrize("postprocess", ["def postprocess", "async def postprocess"])
def test_a_transformer_in_front_is_told_apart_from_its_model(serve, topic, tmp_path, postprocess):
    transformer = tmp_path / "transformer.py"
    transformer.write_text(textwrap.dedent(TRANSFORMER.format(postprocess=postprocess)))
    server = serve(SLOW, TRANSFORMER=transformer, **topic.settings).ready()
    at_once(server, 1)
    (record,) = topic.having(1)
    queue, before, predicted, after = seconds(record)
    assert before >= 0.1
    assert predicted >= 0.2
    assert after >= 0.049
    assert queue >= 0
    assert queue + before + predicted + after <= record["seconds"]


def test_a_call_that_never_ran_has_no_seconds_of_a_run(serve, topic):
    server = serve(SLOW, **topic.settings).ready()
    server.post("/v1/models/iris:predict", content=b"{", headers={"X-Request-Id": "1"})
    (record,) = topic.having(1)
    assert seconds(record) == (-1, -1, -1, -1)
    assert record["seconds"] >= 0


def test_a_call_that_was_run_the_moment_it_came_waited_no_time_and_not_less():
    found: list[tuple[Any, ...]] = []
    log = SimpleNamespace(
        takes_all=True,
        tells_events=False,
        keeps_inputs=True,
        keeps_outputs=True,
        clock=0.0,
        put=lambda record, size: found.append(record),
    )
    books: Any = SimpleNamespace(metrics=SimpleNamespace(in_flight=1), log=log, latency_logging=False)
    door: Any = SimpleNamespace(
        verb="predict", protocol="v1", counters=SimpleNamespace(observe=lambda *_: None)
    )
    asked: Any = SimpleNamespace(id=b"r", body=b"{}", headers={})
    call = HttpCall(asked, door, books, None)
    call.times = Times()
    call.times.began = call._started + 0.001
    call.times.prepared = 0.002  # measured by another clock reading than the two before
    call.times.ended = call._started + 0.003
    call._settle(200, b"{}", None)
    assert found[0][QUEUE] == 0
