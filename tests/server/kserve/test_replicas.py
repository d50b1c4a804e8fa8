"""Deployments: processes of their own, each with one object, asked by whoever is free."""

import json
import signal
import textwrap
from pathlib import Path

import pytest

from ..process import ServerProcess, eventually, http

SCRIPT = """
import os, signal, time
import kserve
from kserve import errors
from ray import serve

@serve.deployment(name="busy", num_replicas=2, ray_actor_options={"num_cpus": 1, "num_gpus": 0.5})
class Busy(kserve.Model):
    def __init__(self, factor=1):
        self.name = "busy"
        super().__init__(self.name)
        self.factor = factor

    def predict(self, request):
        if isinstance(request, kserve.InferRequest):
            return [os.getpid()]
        for row in request["instances"]:
            if row == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            if row == "invalid":
                raise errors.InvalidInput("bad row")
            if row == "fail":
                raise KeyError(row)
            if row == "sleep":
                began = time.monotonic()
                time.sleep(0.5)
                return {"predictions": [os.getpid(), began, time.monotonic()]}
        gpu = os.environ["CUDA_VISIBLE_DEVICES"]
        return {"predictions": [os.getpid(), self.factor, gpu]}

if __name__ == "__main__":
    kserve.ModelServer().start({"busy": Busy, "bound": Busy.options(num_replicas=1, init_args=(3,))})
"""
URL = "/v1/models/busy:predict"


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory):
    server = ServerProcess(tmp_path_factory.mktemp("busy"), SCRIPT, {})
    yield server.ready()
    server.close()


def ask(server: ServerProcess, row: str, url: str = URL):
    return server.post(url, json={"instances": [row]})


def test_two_replicas_answer_at_the_same_time(busy: ServerProcess) -> None:
    with busy.connect() as one, busy.connect() as other:
        for each in (one, other):
            each.sendall(http(b'{"instances": ["sleep"]}', path=URL.encode()))
        answers = [each.recv(65536) for each in (one, other)]
    assert all(b" 200 " in each for each in answers)
    first, second = (json.loads(each[each.index(b"\r\n\r\n") :])["predictions"] for each in answers)
    assert first[0] != second[0]
    assert max(first[1], second[1]) < min(first[2], second[2]), "one began after the other had ended"


def test_exceptions_keep_their_meaning(busy: ServerProcess) -> None:
    answer = ask(busy, "invalid")
    assert (answer.status_code, answer.json()["error"]) == (400, "bad row")
    answer = ask(busy, "fail")
    assert (answer.status_code, answer.json()["error"]) == (500, "KeyError : 'fail'")
    answer = busy.post(URL, content="{", headers={"content-type": "application/json"})
    assert answer.status_code == 400


def test_deployments_share_a_device_and_get_their_arguments(busy: ServerProcess) -> None:
    assert ask(busy, "x").json()["predictions"][1:] == [1, "0"]
    assert ask(busy, "x", "/v1/models/bound:predict").json()["predictions"][1] == 3
    assert busy.get("/v1/models").json() == {"models": ["busy", "bound"]}


def test_tensors_reach_replicas(busy: ServerProcess) -> None:
    body = {"inputs": [{"name": "a", "shape": [1], "datatype": "INT8", "data": [1]}]}
    answer = busy.post("/v2/models/busy/infer", json=body).json()
    assert answer["outputs"][0]["name"] == "output-0"
    assert answer["outputs"][0]["data"][0] != busy.process.pid


def test_stages_are_counted_in_the_server(busy: ServerProcess) -> None:
    before = busy.metric('request_predict_seconds_count{model_name="bound"}')
    ask(busy, "x", "/v1/models/bound:predict")
    assert busy.metric('request_predict_seconds_count{model_name="bound"}') == before + 1


def test_a_dead_replica_is_replaced(busy: ServerProcess) -> None:
    answer = ask(busy, "die")
    assert answer.status_code == 500
    assert "ended, by signal 9; another one takes its place." in answer.json()["error"]
    assert ask(busy, "x").status_code == 200
    assert eventually(lambda: len({ask(busy, "x").json()["predictions"][0] for _ in range(4)}) == 2)


ONE = SCRIPT.replace("replicas=2", "replicas=1").replace(
    ', "bound": Busy.options(num_replicas=1, init_args=(3,))', ""
)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_replicas_end_with_their_server(tmp_path: Path, number: int) -> None:
    server = ServerProcess(tmp_path, ONE, {}).ready()
    pid = ask(server, "x").json()["predictions"][0]
    server.client.close()
    server.process.send_signal(number)
    assert server.process.wait(20) in (0, -number)
    eventually(lambda: not Path(f"/proc/{pid}").exists())


def test_a_replica_that_cannot_be_constructed_fails_the_server(tmp_path: Path) -> None:
    script = textwrap.dedent(SCRIPT).replace("self.factor = factor", "raise OSError('no weights')")
    failure = ServerProcess(tmp_path, script, {}).failure()
    assert failure["code"] == "LoadFailed"
    assert "OSError: no weights" in failure["reason"]
    assert "self.factor" not in failure["evidence"]
    assert "no weights" in failure["evidence"]
