"""Requests are predicted together where nothing but `predict` decides about their outputs."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from mlrun.serving import V2ModelServer

from hopyard.server.flavors.mlrun.rowwise import is_plain

from ..process import eventually


class Plain(V2ModelServer):
    def predict(self, request):
        return request["inputs"]


def test_only_plain_models_are_asked_row_by_row():
    plain = Plain()
    assert is_plain(plain)
    plain.postprocess = lambda response: response
    assert not is_plain(plain)
    for name in ("preprocess", "validate", "postprocess", "do_event", "logged_results"):
        assert not is_plain(type("Other", (Plain,), {name: lambda self, *args: args[0]})())
    assert not is_plain(Plain(input_path="a"))
    assert not is_plain(Plain(protocol="v1"))


SCRIPT = """
import os, time
from mlrun.serving import V2ModelServer
class Counting(V2ModelServer):
    def load(self): self.sizes = []
    def predict(self, request):
        rows = request["inputs"]
        self.sizes.append(len(rows))
        if "wait" in rows:
            deadline = time.monotonic() + 30
            while not os.path.exists(os.environ["GO"]) and time.monotonic() < deadline:
                time.sleep(0.01)
        if "bad" in rows:
            raise ValueError("a bad row")
        return [[row, len(request)] for row in rows]
    def op_sizes(self, event): return self.sizes
"""


@pytest.fixture
def go(tmp_path, monkeypatch):
    """The file whose appearance ends the wait of a request for `wait`."""
    monkeypatch.setenv("GO", str(tmp_path / "go"))
    return tmp_path / "go"


@pytest.fixture
def server(serve, go):
    return serve(SCRIPT, BATCHING="on").ready()


def in_flight(server, count):
    eventually(lambda: server.metric("hopyard_in_flight") >= count)


def ask(server, rows, **more):
    answer = server.post("/v2/models/iris/infer", json={"inputs": rows, **more})
    return answer.json() if answer.status_code == 200 else answer.text


def test_waiting_requests_are_one_call_and_each_has_its_own_envelope(server, go):
    with ThreadPoolExecutor(8) as pool:
        pool.submit(ask, server, ["wait"])
        in_flight(server, 1)
        others = [pool.submit(ask, server, [n, n], id=str(n)) for n in range(6)]
        in_flight(server, 7)
        go.touch()
        answers = [each.result() for each in others]
    for number, answer in enumerate(answers):
        assert answer["outputs"] == [[number, 1]] * 2
        assert answer["id"] == str(number)
    sizes = server.get("/v2/models/iris/sizes").json()
    assert max(sizes) > 2
    assert sum(sizes) == 13


def test_a_bad_row_fails_its_own_request_alone(server, go):
    with ThreadPoolExecutor(8) as pool:
        pool.submit(ask, server, ["wait"])
        in_flight(server, 1)
        rows = [["bad"] if n == 2 else [n] for n in range(5)]
        others = [pool.submit(ask, server, row) for row in rows]
        in_flight(server, 6)
        go.touch()
        answers = [each.result() for each in others]
    assert answers.pop(2) == "ValueError: a bad row"
    assert [answer["outputs"][0][0] for answer in answers] == [0, 1, 3, 4]


def test_a_request_that_says_more_is_predicted_by_itself_with_all_it_says(server):
    assert ask(server, [1], parameters={"a": 1})["outputs"] == [[1, 2]]
    assert ask(server, [])["outputs"] == []
    assert ask(server, [1], operation="explain") == "NotImplementedError: NotImplementedError()"
    assert ask(server, {}) == 'Exception: Expected "inputs" to be a list'


def test_the_input_example_proves_that_rows_may_be_joined(serve, go, tmp_path):
    example = tmp_path / "example.json"
    example.write_text(json.dumps({"inputs": [1, 2, 3]}))
    server = serve(SCRIPT, INPUT_EXAMPLE=example).ready()
    assert "is on: the input example proves" in server.log


def test_one_version_proves_nothing_about_another(serve, tmp_path):
    script = """
        import mlrun

        class First(mlrun.serving.V2ModelServer):
            def load(self): ...
            def predict(self, body):
                return list(body["inputs"])

        class Second(First):
            sizes = []
            def predict(self, body):
                self.sizes.append(len(body["inputs"]))
                return list(body["inputs"])
            def op_sizes(self, event):
                return self.sizes

        fn = mlrun.new_function("versions", kind="serving")
        fn.add_model("m:v1", class_name="First", model_path=".")
        fn.add_model("m:v2", class_name="Second", model_path=".")
    """
    example = tmp_path / "example.json"
    example.write_text(json.dumps({"inputs": [1, 2, 3]}))
    server = serve(script, INPUT_EXAMPLE=example).ready()
    assert "is on: the input example proves" in server.log
    with ThreadPoolExecutor(16) as pool:
        ask = "/v2/models/m/versions/v2/infer"
        answers = list(
            pool.map(lambda n: server.post(ask, json={"inputs": [n]}).json()["outputs"], range(200))
        )
    assert answers == [[n] for n in range(200)]
    assert set(server.get("/v2/models/m/versions/v2/sizes").json()) == {1}
