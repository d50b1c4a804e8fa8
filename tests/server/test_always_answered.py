"""Whatever a client sends and a script raises or returns, every request is answered."""

import re

import pytest

from .process import eventually, http

UNKNOWN = """
    class Predict:
        def predict(self, inputs):
            raise ValueError(f"unknown label {chr(0xD800)}")
"""


def test_half_a_character_is_refused_in_a_body_with_nan_too(echo):
    for body in (
        b'{"instances": ["\\ud800", NaN]}',
        b'{"instances": [{"\\uDFFF": 1}, NaN]}',
        b'{"instances": ["\xed\xa0\x80", NaN]}',
        b'{"instances": ["NaN \\ud800"]}',
        b'\xff\xfe{"instances": [NaN]}',
    ):
        answer = echo.post("/v1/models/iris:predict", content=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "BadBody"), body


def test_a_whole_character_written_in_two_halves_is_read_beside_nan(echo):
    body = b'{"instances": ["\\ud83d\\ude00", NaN]}'
    assert echo.post("/v1/models/iris:predict", content=body).json() == {"predictions": ["\U0001f600", None]}


def test_an_error_in_words_that_cannot_be_written_leaves_health_answering(serve):
    server = serve(UNKNOWN).ready()
    assert server.predict(1).json()["error"] == "ValueError: unknown label ?"
    health = server.get("/v2/health/ready", timeout=5)
    assert (health.status_code, health.json()["last_error"]) == (200, "ValueError: unknown label ?")


@pytest.mark.parametrize("path", ["/v2/health/ready", "/v1/models/iris"])
def test_a_page_that_fails_later_is_a_server_error_without_its_words(serve, path):
    script = """
        from hopyard.server.dataplane import DataPlane
        from hopyard.server.hosted import Hosted
        class Predict:
            def predict(self, inputs):
                DataPlane.readiness = Hosted.readiness = broken
                return inputs
        async def broken(self):
            raise RuntimeError("private")
    """
    server = serve(script).ready()
    server.predict(1)
    answer = server.get(path, timeout=5)
    assert (answer.status_code, answer.json()["code"]) == (500, "Internal")
    assert "private" not in answer.text
    assert "RuntimeError: private" in server.log


@pytest.mark.parametrize("is_quick", [True, False])
def test_an_answer_that_the_server_fails_to_give_is_its_own_fault(serve, is_quick):
    script = f"""
        from hopyard.server import calls
        def broken(call, answer):
            raise RuntimeError("private")
        calls.HttpCall._give = broken
        calls.is_quick = lambda value: {is_quick}
        class Predict:
            def predict(self, inputs):
                return inputs
    """
    server = serve(script).ready()
    answer = server.predict(1, timeout=5)
    assert (answer.status_code, answer.json()["code"]) == (500, "Internal")
    assert "private" not in answer.text
    assert "RuntimeError: private" in server.log
    assert server.metric("hopyard_in_flight") == 0


@pytest.mark.parametrize("keyword", ["def", "async def"])
@pytest.mark.parametrize("batching", ["on", "off"])
def test_an_error_that_cannot_be_told_is_answered_by_its_name(serve, keyword, batching):
    script = f"""
        class Secret(Exception):
            def __str__(self):
                raise SystemExit
        class Predict:
            {keyword} predict(self, inputs):
                raise Secret
    """
    server = serve(script, BATCHING=batching).ready()
    for _ in range(2):
        assert server.predict(1, timeout=5).json()["error"] == "Secret"
    assert server.metric("hopyard_in_flight") == 0


def test_an_error_with_a_long_history_is_answered(serve):
    script = """
        class Predict:
            def predict(self, inputs):
                last = None
                for n in range(5000):
                    error = ValueError(n)
                    error.__context__ = last
                    last = error
                raise last
    """
    answer = serve(script).ready().predict(1, timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (500, "ValueError: 4999")


def test_an_error_is_answered_after_the_script_closed_the_output(serve):
    script = """
        import sys
        class Predict:
            def predict(self, inputs):
                sys.stderr.close()
                raise ValueError("no")
    """
    server = serve(script).ready()
    for _ in range(2):
        assert server.predict(1, timeout=5).json()["error"] == "ValueError: no"


@pytest.mark.parametrize(
    "answer",
    [
        "node = {'b': b''}; node['left'] = node['right'] = node; return node",
        "pair = []; pair += [pair, pair]; return pair",
        "pair = [set]; pair += [(pair,), (pair,)]; return pair",
    ],
)
def test_an_answer_that_holds_itself_twice_blocks_nobody(serve, answer):
    server = serve(f"class Predict:\n    def predict(self, inputs):\n        {answer}\n").ready()
    told = server.predict(1, timeout=5)
    assert (told.status_code, told.json()["code"]) == (500, "AnswerInvalid")


def test_an_answer_that_fails_while_it_is_written_is_an_error(serve):
    script = """
        from collections.abc import Mapping
        class Odd(Mapping):
            def __getitem__(self, key): raise SystemExit
            def __len__(self): return 1
            def __iter__(self): return iter([1])
        class Predict:
            def predict(self, inputs):
                return [Odd()]
    """
    server = serve(script).ready()
    assert server.predict(1, timeout=5).status_code == 500
    assert server.get("/v2/health/ready", timeout=5).status_code == 200
    assert server.metric("hopyard_in_flight") == 0


def test_thousands_of_pipelined_upgrades_are_answered(echo):
    upgrade = b"GET /v2/health/live HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
    said = echo.exchange(upgrade * 3000 + http(b'{"instances": [7]}', b"Connection: close"))
    assert said.count(b"HTTP/1.1 200 OK") == 3001
    assert said.endswith(b'{"predictions":[7]}')


def test_a_prediction_without_end_is_told_until_it_ends(serve, tmp_path):
    gate = tmp_path / "gate"
    script = f"""
        import os, time
        class Predict:
            def predict(self, inputs):
                while not os.path.exists({str(gate)!r}):
                    time.sleep(0.01)
                return inputs
    """
    server = serve(script, STUCK_SECONDS=2).ready()
    with server.connect() as connection:
        connection.sendall(http())
        eventually(lambda: server.metric("hopyard_in_flight") == 1)
        assert server.get("/v2/health/ready").status_code == 200
        eventually(lambda: server.get("/v2/health/ready").status_code == 503)
        reason = server.get("/v2/health/ready").json()["reason"]
        assert re.fullmatch(r"A prediction has been running for \d+ s\.", reason)
        assert server.metric("hopyard_ready") == 0
        gate.touch()
        server.ready()
    assert server.metric("hopyard_ready") == 1


def test_short_predictions_in_a_row_are_not_one_without_end(serve):
    script = "import time\nclass Predict:\n    def predict(self, inputs):\n        time.sleep(0.3)\n"
    server = serve(script, STUCK_SECONDS=2).ready()
    with server.connect() as connection:
        connection.sendall(http() * 10)
        eventually(
            lambda: server.metric('hopyard_requests_total{model="iris",verb="predict",status="200"}') == 9
        )
        assert server.get("/v2/health/ready").status_code == 200
