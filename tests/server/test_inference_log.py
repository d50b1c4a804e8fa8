"""Calls are recorded, whatever becomes of the shipper, and recording never changes an answer or makes it wait."""

import asyncio
import hashlib
import signal
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hopyard.server.config import Config
from hopyard.server.inference_log.log import InferenceLog

from .process import eventually
from .topics import TOPIC, Topic, kill, shippers

FLOOD = b'{"instances": ["' + b"x" * 60_000 + b'"]}'


@pytest.fixture
def topic(tmp_path):
    return Topic(tmp_path)


def ask(server, *names):
    for name in names:
        assert server.predict(1, headers={"X-Request-Id": str(name)}).status_code == 200


def the_shipper(server):
    (pid,) = eventually(lambda: shippers(server))
    return pid


def counts(server):
    return server.get("/v2/health/ready").json()["inference_log"]


def has_ended(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_call_is_recorded_with_its_identity_bodies_and_seconds(serve, topic):
    server = serve(**topic.settings).ready()
    before = time.time()
    ask(server, "call-1")
    (record,) = topic.having(1)
    assert abs(record["requestTimestamp"] / 1000 - before) < 5
    told = {
        name: record[name] for name in ("requestId", "protocol", "verb", "responseHttpCode", "error", "keyId")
    }
    assert told == {
        "requestId": "call-1",
        "protocol": "v1",
        "verb": "predict",
        "responseHttpCode": 200,
        "error": "",
        "keyId": "",
    }
    assert (record["inferenceRequest"], record["inferenceResponse"]) == (
        '{"instances":[1]}',
        '{"predictions":[1]}',
    )
    assert (record["modelName"], record["project"], record["revision"], record["replica"]) == (
        "iris",
        "demo",
        4,
        "r1",
    )
    assert 0 < record["predictSeconds"] < record["seconds"] < 5


def test_calls_that_fail_are_recorded_with_their_error(serve, topic):
    script = "class Predict:\n    def predict(self, inputs):\n        raise ValueError('no')\n"
    server = serve(script, **topic.settings).ready()
    server.predict(1, headers={"X-Request-Id": "1"})
    server.post("/v1/models/iris:predict", content=b"{\xff", headers={"X-Request-Id": "2"})
    failed, broken = topic.having(2)
    assert [(each["responseHttpCode"], each["inferenceResponse"]) for each in (failed, broken)] == [
        (500, ""),
        (400, ""),
    ]
    assert failed["error"] == "ValueError: no"
    assert (broken["predictSeconds"], broken["queueSeconds"]) == (-1, -1)
    assert (broken["inferenceRequest"], broken["requestBytes"]) == ("", 2)


@pytest.mark.parametrize(
    ("mode", "asked", "answered"),
    [
        ("MODEL_INPUTS", '{"instances":[1]}', ""),
        ("PREDICTIONS", "", '{"predictions":[1]}'),
        ("ALL", '{"instances":[1]}', '{"predictions":[1]}'),
    ],
)
def test_the_mode_chooses_what_is_kept(serve, topic, mode, asked, answered):
    server = serve(INFERENCE_LOGGING=mode, **topic.settings).ready()
    ask(server, "1")
    (record,) = topic.having(1)
    assert (record["inferenceRequest"], record["inferenceResponse"]) == (asked, answered)


@pytest.mark.parametrize("changes", [{"TOPIC": ""}, {"INFERENCE_LOGGING": "NONE"}])
def test_nothing_is_started_where_nothing_is_logged(serve, topic, changes):
    server = serve(**{**topic.settings, **changes}).ready()
    ask(server, "1")
    assert "inference_log" not in server.get("/v2/health/ready").json()
    assert shippers(server) == []
    assert server.terminate() == 0
    assert not topic.folder.exists()


def test_a_part_of_the_calls_is_taken_as_a_sample(serve, topic):
    server = serve(SAMPLING_PERCENT=30, **topic.settings).ready()
    ask(server, *range(400))
    assert server.terminate() == 0
    assert 60 < len(topic.records) < 190
    assert topic.records[0]["samplingPercent"] == 30


def test_a_large_body_is_recorded_by_its_digest(serve, topic):
    server = serve(**topic.settings).ready()
    body = b'{"instances": ["' + b"x" * 3_000_000 + b'"]}'
    server.post("/v1/models/iris:predict", content=body)
    (record,) = topic.having(1)
    assert record["inferenceRequest"] == ""
    assert (record["requestBytes"], record["requestSha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert record["responseBytes"] > 3_000_000


def test_tensors_are_recorded_as_json_while_they_are_small(serve, topic):
    server = serve(**topic.settings).ready()
    for number, count in enumerate((2, 8000)):
        raw = struct.pack(f"<{count}f", *range(count))
        size, shape = len(raw), f"[{count},1]"
        head = b'{"inputs":[{"name":"x","shape":%b,"datatype":"FP32","parameters":{"binary_data_size":%d}}]}'
        head %= (shape.encode(), size)
        headers = {"Inference-Header-Content-Length": str(len(head)), "X-Request-Id": str(number)}
        answer = server.post("/v2/models/iris/infer", content=head + raw, headers=headers)
        assert answer.status_code == 200, answer.text
    small, large = topic.having(2)
    assert (small["protocol"], small["verb"]) == ("v2", "infer")
    assert '"data":[0.0,1.0]' in small["inferenceRequest"].replace(" ", "")
    assert (large["inferenceRequest"], large["requestBytes"]) == ("", len(head) + len(raw))


def test_stopping_ships_what_is_there_and_leaves_no_process(serve, topic):
    server = serve(**topic.settings).ready()
    ask(server, *range(50))
    shipper = the_shipper(server)
    assert server.terminate() == 0
    assert topic.ids == {str(number) for number in range(50)}
    assert has_ended(shipper)


def test_a_shipper_that_was_killed_is_started_again_and_nothing_is_lost(serve, topic):
    server = serve(**topic.settings).ready()
    ask(server, *range(5))
    first = the_shipper(server)
    kill(first, signal.SIGSTOP)
    ask(server, *range(5, 150))
    kill(first)
    ask(server, *range(150, 160))
    eventually(lambda: topic.ids == {str(number) for number in range(160)})
    assert the_shipper(server) != first
    eventually(lambda: counts(server)["waiting"] == 0)
    assert counts(server)["dropped"] == 0
    assert "ended by SIGKILL; it is started again" in server.log


def test_a_shipper_that_stalls_delays_nobody_and_what_finds_no_room_is_counted(serve, topic):
    server = serve(**topic.settings).ready()
    ask(server, "first")
    shipper = the_shipper(server)
    topic.having(1)
    kill(shipper, signal.SIGSTOP)
    asked = 0
    while not counts(server)["dropped"]:
        answer = server.post("/v1/models/iris:predict", content=FLOOD)
        assert answer.status_code == 200
        assert answer.elapsed.total_seconds() < 2
        asked += 1
        assert asked < 2000
    assert counts(server)["waiting"] > 100
    kill(shipper, signal.SIGCONT)
    eventually(lambda: counts(server)["waiting"] == 0)
    ask(server, "last")
    eventually(lambda: "last" in topic.ids)
    eventually(lambda: counts(server)["sent"] + counts(server)["dropped"] == asked + 2)
    assert len(topic.ids) == asked + 2 - counts(server)["dropped"]
    assert server.log.count("those that find no room are dropped") == 1


def test_what_was_handed_over_arrives_though_the_server_is_killed(serve, topic):
    server = serve(**topic.settings).ready()
    ask(server, "first")
    shipper = the_shipper(server)
    topic.having(1)
    eventually(lambda: counts(server)["waiting"] == 0)
    kill(shipper, signal.SIGSTOP)
    ask(server, *range(100))
    handed_over = time.monotonic() + 0.5  # ten times as long as records are gathered
    eventually(lambda: time.monotonic() > handed_over and counts(server)["waiting"] == 100)
    server.process.kill()
    server.process.wait()
    kill(shipper, signal.SIGCONT)
    eventually(lambda: topic.ids == {"first", *map(str, range(100))})
    eventually(lambda: has_ended(shipper))


def test_several_workers_log_and_are_counted_together(serve, topic):
    server = serve(WORKERS=2, **topic.settings).ready()
    eventually(lambda: len(shippers(server)) == 2)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: ask(serve_again(server), number), range(40)))
    eventually(lambda: topic.ids == {str(number) for number in range(40)})
    eventually(lambda: counts(server) == {"sent": 40, "spilled": 0, "dropped": 0, "waiting": 0})
    assert server.metric("hopyard_inference_log_sent_total") == 40
    assert len(list(topic.folder.iterdir())) == 2
    both = shippers(server)
    assert server.terminate() == 0
    eventually(lambda: all(has_ended(pid) for pid in both))


def serve_again(server):
    """The same server over connections of their own, so that the workers take turns."""

    class Fresh:
        def predict(self, *rows, headers):
            import httpx

            return httpx.post(
                server.url("/v1/models/iris:predict"),
                json={"instances": [*rows]},
                headers=headers,
                timeout=20,
            )

    return Fresh()


def test_a_folder_that_cannot_be_written_changes_no_answer(serve, topic, tmp_path):
    (tmp_path / "topics").write_text("a file where a folder should be")
    server = serve(**{**topic.settings, "SPILL_MB": 0}).ready()
    ask(server, *range(5))
    eventually(lambda: server.metric("hopyard_inference_log_dropped_total") == 5)


def in_a_log(tmp_path, act):
    """Let `act` use the log of a running loop, and return the topic once the log was closed."""
    topic = Topic(tmp_path)
    settings = Config(
        topic=TOPIC, topic_dir=tmp_path / "topics", topic_subject="inferenceschema", replica="r1"
    )

    async def run():
        log = InferenceLog(settings, writer="r1")
        log.start()
        await asyncio.to_thread(act, log) if act.__name__ == "from_a_thread" else act(log)
        await asyncio.sleep(0)
        await log.close(10)
        return log.counts

    return topic, asyncio.run(run())


def record(name, error=None):
    return (1.0, 200, name, "v1", "predict", 0.1, 0.0, -1.0, 0.1, -1.0, b"{}", b"{}", error, None, None)


def test_messages_that_are_encoded_already_are_taken_from_any_thread(tmp_path):
    def from_a_thread(log):
        log.put_message(b'{"op": "infer"}')

    topic, counts = in_a_log(tmp_path, from_a_thread)
    assert topic.messages == [b'{"op": "infer"}']
    assert counts == {"sent": 1, "spilled": 0, "dropped": 0, "waiting": 0}


def test_a_record_that_cannot_be_passed_on_takes_no_other_with_it(tmp_path):
    def act(log):
        for each in (record(b"1"), record(b"2", error=object()), record(b"3")):
            log.put(each, 4)

    topic, counts = in_a_log(tmp_path, act)
    assert topic.ids == {"1", "3"}
    assert (counts["sent"], counts["dropped"]) == (2, 1)
