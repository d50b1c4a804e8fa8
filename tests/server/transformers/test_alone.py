"""A transformer in a process of its own: its predictors come, go and die, and its callers see none of it."""

import json
import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.process import DEADLINE_SECONDS, ServerProcess, eventually

from .conftest import SUMS, TENFOLD, Listed, Stand

Serve = Callable[..., ServerProcess]

PLAIN = "class Transformer:\n    def preprocess(self, inputs): return inputs\n"
WHO = """
import os, time
from pathlib import Path

class Predict:
    def predict(self, inputs):
        row = inputs[0]
        if row[0] == "die":
            os._exit(9)
        if row[0] == "wait":
            Path(row[1]).touch()
            while not Path(row[2]).exists():
                time.sleep(0.005)
        return [os.getpid() for _ in inputs]
"""


def test_it_says_which_of_both_is_missing(alone: Stand, serve: Serve, listed: Listed, tmp_path: Path) -> None:
    go = tmp_path / "go"
    slow = f"""
        import time
        from pathlib import Path
        class Transformer:
            def __init__(self):
                while not Path({str(go)!r}).exists():
                    time.sleep(0.005)
            def preprocess(self, inputs):
                return inputs
        """
    server = alone(slow)
    answer = server.get("/v2/health/ready")
    assert (answer.status_code, answer.json()["reason"]) == (503, "The transformer is loading.")
    go.touch()
    eventually(lambda: "waits for the first" in server.get("/v2/health/ready").json()["reason"])
    assert server.get("/v2/health/live").status_code == 200
    refused = server.predict([1])
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (
        503,
        "NotReady",
        "1",
    )
    assert "No predictor is ready" in refused.json()["error"]
    listed.write()
    listed.write(serve(SUMS).ready())
    assert server.ready().predict([1, 2]).json() == {"predictions": [3]}


def test_a_file_that_changes_is_followed(alone: Stand, serve: Serve, listed: Listed) -> None:
    first, second = serve(WHO).ready(), serve(WHO).ready()
    listed.write(first)
    server = alone(PLAIN).ready()
    assert server.predict([1]).json() == {"predictions": [first.process.pid]}
    listed.write(second)
    eventually(lambda: server.predict([1]).json() == {"predictions": [second.process.pid]})
    listed.write()
    answer = eventually(lambda: (got := server.predict([1])).status_code == 503 and got)
    assert answer.headers["retry-after"] == "1"
    assert server.get("/v2/health/ready").status_code == 503
    listed.write(first)
    eventually(lambda: server.predict([1]).status_code == 200)


def test_a_file_that_is_broken_leaves_those_before_in_use(alone: Stand, serve: Serve, listed: Listed) -> None:
    listed.write(serve(SUMS).ready())
    server = alone(PLAIN).ready()
    for text in ("{", '{"a": 1}', '["nowhere"]', "[1]", '["host:99999999"]'):
        before = server.log.count("cannot be read")
        listed.write_text(text)
        eventually(partial(_has_complained, server, before))
        assert server.predict([1, 2]).status_code == 200


def _has_complained(server: ServerProcess, before: int) -> bool:
    server.predict([1])
    return server.log.count("cannot be read") > before


class Load:
    """Callers that ask without a pause; `statuses` are those of all answers."""

    def __init__(self, server: ServerProcess, callers: int = 8) -> None:
        self.statuses: list[tuple[int, str]] = []
        self._url = server.url("/v1/models/iris:predict")
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(callers)]

    def __enter__(self) -> "Load":
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for each in self._threads:
            each.join(DEADLINE_SECONDS)

    def more(self, count: int = 150) -> None:
        before = len(self.statuses)
        eventually(lambda: len(self.statuses) >= before + count)

    def _ask(self) -> None:
        with httpx.Client(timeout=DEADLINE_SECONDS) as client:
            while not self._stop.is_set():
                answer = client.post(self._url, json={"instances": [[1, 2]]})
                self.statuses.append((answer.status_code, answer.text))


def test_no_answer_fails_while_predictors_die_and_come(alone: Stand, serve: Serve, listed: Listed) -> None:
    first, second, third = (serve(SUMS) for _ in range(3))
    listed.write(first.ready(), second.ready())
    server = alone(TENFOLD).ready()
    with Load(server) as load:
        load.more()
        first.process.kill()
        load.more()
        listed.write(second, third.ready())
        load.more()
        second.process.send_signal(signal.SIGTERM)
        load.more()
        listed.write(third)
        load.more()
    assert {status for status, _ in load.statuses} == {200}
    assert {text for _, text in load.statuses} == {'{"predictions":[31],"note":"post"}'}
    assert server.metric("hopyard_in_flight") == 0


def test_a_request_that_ends_its_predictor_is_not_tried_on_all(
    alone: Stand, serve: Serve, listed: Listed
) -> None:
    servers = [serve(WHO) for _ in range(3)]
    listed.write(*(each.ready() for each in servers))
    server = alone(PLAIN).ready()
    answer = server.predict(["die"])
    assert (answer.status_code, answer.json()["code"]) == (502, "PredictorLost")
    assert "2 predictors ended" in answer.json()["error"]
    eventually(lambda: [each.process.poll() for each in servers].count(9) == 2)
    assert server.predict([1]).status_code == 200


def test_the_least_busy_one_is_asked(alone: Stand, serve: Serve, listed: Listed, tmp_path: Path) -> None:
    servers = [serve(WHO).ready() for _ in range(2)]
    listed.write(*servers)
    server = alone(PLAIN).ready()
    seen, go = tmp_path / "seen", tmp_path / "go"
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(server.predict, ["wait", str(seen), str(go)])
        eventually(seen.exists)
        with httpx.Client(timeout=DEADLINE_SECONDS) as client:
            url = server.url("/v1/models/iris:predict")
            pids = {client.post(url, json={"instances": [[n]]}).json()["predictions"][0] for n in range(6)}
        go.touch()
        busy = waiting.result().json()["predictions"][0]
    assert pids == {each.process.pid for each in servers} - {busy}


def test_one_that_leaves_the_list_still_answers_what_it_was_asked(
    alone: Stand, serve: Serve, listed: Listed, tmp_path: Path
) -> None:
    first, second = serve(WHO).ready(), serve(WHO).ready()
    listed.write(first)
    server = alone(PLAIN).ready()
    seen, go = tmp_path / "seen", tmp_path / "go"
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(server.predict, ["wait", str(seen), str(go)])
        eventually(seen.exists)
        listed.write(second)
        eventually(lambda: server.get("/ready") and server.log.count("Predictors:") == 2)
        assert server.predict([1]).json() == {"predictions": [second.process.pid]}
        go.touch()
        assert waiting.result().json() == {"predictions": [first.process.pid]}


def test_what_is_in_flight_is_answered_before_it_stops(
    alone: Stand, serve: Serve, listed: Listed, tmp_path: Path
) -> None:
    listed.write(serve(WHO).ready())
    server = alone(PLAIN).ready()
    seen, go = tmp_path / "seen", tmp_path / "go"
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(server.predict, ["wait", str(seen), str(go)])
        eventually(seen.exists)
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: "Stopping" in server.log)
        go.touch()
        assert waiting.result().status_code == 200
    assert server.process.wait(DEADLINE_SECONDS) == 0


BREAKS = """

class Predict:
    def predict(self, inputs):
        yield "one"
        if inputs == [["die"]]:
            os._exit(9)
        for number in range(200_000):
            yield "x" * 100
"""


def test_a_stream_that_breaks_off_is_seen_to_and_one_that_is_left_is_closed(
    alone: Stand, serve: Serve, listed: Listed
) -> None:
    predictor = serve(BREAKS).ready()
    listed.write(predictor)
    server = alone(PLAIN).ready()
    url = server.url("/v1/models/iris:predict")
    with server.client.stream("POST", url, json={"instances": [[1]]}) as answer:
        assert next(answer.iter_bytes())
    eventually(lambda: predictor.metric("hopyard_in_flight") == 0)
    with pytest.raises(httpx.RemoteProtocolError):
        server.predict(["die"])


def test_the_model_is_described_as_its_predictors_do(alone: Stand, serve: Serve, listed: Listed) -> None:
    script = """
        from kserve import Model
        class Told(Model):
            def load(self):
                self.ready = True
            def get_input_types(self):
                return [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]
        """
    listed.write(serve(script).ready())
    told = alone(PLAIN).ready().get("/v2/models/iris").json()
    assert told["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]


def test_the_callers_headers_go_along_and_the_predictors_come_back(
    alone: Stand, serve: Serve, listed: Listed
) -> None:
    script = """
        from kserve import Model
        class Telling(Model):
            def __init__(self, name):
                super().__init__(name, return_response_headers=True)
                self.ready = True
            def predict(self, payload, headers, response_headers):
                response_headers["x-model"] = "telling"
                return {"predictions": [headers.get(each) for each in payload["instances"]]}
        """
    listed.write(serve(script).ready())
    server = alone(PLAIN).ready()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    asked = {"traceparent": trace, "x-request-id": "r-1", "x-user": "alice", "x-hopyard-internal": "guess"}
    answer = server.predict("traceparent", "x-request-id", "x-user", "x-hopyard-internal", headers=asked)
    assert answer.json() == {"predictions": [trace, "r-1", "alice", None]}
    assert (answer.headers["x-model"], answer.headers["x-request-id"]) == ("telling", "r-1")
    assert answer.headers.get_list("x-request-id") == ["r-1"]


def test_the_shared_port_is_joined_once_somebody_can_predict(
    alone: Stand, serve: Serve, listed: Listed
) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        server = alone(PLAIN, SHARED_PORT=port)
        eventually(lambda: "waits for the first" in server.get("/ready").json()["reason"])
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://127.0.0.1:{port}/ready")
        listed.write(serve(SUMS).ready())
        server.ready()
        answer = httpx.post(f"http://127.0.0.1:{port}/v1/models/iris:predict", json={"instances": [[1]]})
    assert answer.json() == {"predictions": [1]}


@pytest.mark.parametrize(
    ("example", "sentence"),
    [
        ({"instances": [[1, 2]]}, ""),
        ({"instances": [[1.3]]}, "PredictorFailed: ValueError: thirteen"),
        ({"instances": ["x"]}, "TransformerFailed: Transformer.preprocess raised TypeError"),
    ],
)
def test_the_input_example_goes_all_the_way_before_it_is_ready(
    alone: Stand, serve: Serve, listed: Listed, tmp_path: Path, example: dict[str, Any], sentence: str
) -> None:
    path = tmp_path / "example.json"
    path.write_text(json.dumps(example))
    listed.write(serve(SUMS).ready())
    tenfold = TENFOLD.replace("[10 * each for each in row]", "[each * 10 - 0 for each in row + []]")
    server = alone(tenfold, INPUT_EXAMPLE=path)
    if not sentence:
        server.ready()
        return
    failure = server.failure()
    assert (failure["code"], sentence in failure["reason"]) == ("PredictFailed", True), failure


def test_a_predictor_that_refuses_the_connection_is_left_out(
    alone: Stand, serve: Serve, listed: Listed
) -> None:
    listed.write("127.0.0.1:1", serve(SUMS).ready())
    server = alone(PLAIN).ready()
    assert {server.predict([1]).status_code for _ in range(5)} == {200}
    listed.write("127.0.0.1:1")
    answer = eventually(lambda: (got := server.predict([1])).status_code == 503 and got)
    assert "None of the predictors can be reached" in answer.json()["error"]
