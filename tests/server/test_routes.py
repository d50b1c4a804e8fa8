"""What every URL answers."""

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from .process import eventually

THREE = """
    class Predict:
        def predict(self, inputs):
            return [sum(row) for row in inputs]
        async def classify(self, inputs):
            return ["cat" for _ in inputs]
        def regress(self, inputs):
            return "not implemented"
"""


@pytest.mark.parametrize("key", ["instances", "inputs"])
def test_predict_answers_under_predictions(serve, key):
    server = serve(THREE).ready()
    answer = server.post("/v1/models/iris:predict", json={key: [[1, 2], [3, 4]]})
    assert (answer.status_code, answer.json()) == (200, {"predictions": [3, 7]})
    assert answer.headers["content-type"] == "application/json"


def test_sync_and_async_methods_are_both_called(serve):
    server = serve(THREE).ready()
    assert server.post("/v1/models/iris:classify", json={"inputs": [1]}).json() == {"predictions": ["cat"]}
    assert server.post("/v1/models/iris:regress", json={"inputs": [1]}).json() == {
        "predictions": "not implemented"
    }


def test_a_version_in_the_path_is_checked(serve):
    server = serve(MODEL_VERSION=3).ready()
    assert server.post("/v1/models/iris/versions/3:predict", json={"inputs": [1]}).status_code == 200
    wrong = server.post("/v1/models/iris/versions/4:predict", json={"inputs": [1]})
    assert wrong.status_code == 404
    assert "version 3 is" in wrong.json()["error"]


def test_an_escaped_path_is_understood(echo):
    assert echo.post("/v1/models/iris%3Apredict?trace=1", json={"inputs": [1]}).status_code == 200


def test_a_wrong_model_name_is_told_the_right_one(echo):
    answer = echo.post("/v1/models/rose:predict", json={"inputs": [1]})
    assert answer.status_code == 404
    assert answer.json()["error"] == "The model rose is not served here; iris is."


def test_a_method_the_class_lacks_is_not_implemented(echo):
    answer = echo.post("/v1/models/iris:regress", json={"inputs": [1]})
    assert answer.status_code == 501
    assert answer.json()["error"] == "This model has no method regress; it has predict."


def test_an_unknown_path_and_an_unknown_verb_are_not_found(echo):
    assert echo.get("/nowhere").status_code == 404
    assert echo.post("/v1/models/iris:explode", json={}).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/models/iris:predict", "POST"),
        ("POST", "/v2/health/live", "GET, HEAD"),
        ("PUT", "/", "GET, HEAD"),
    ],
)
def test_a_wrong_method_names_the_right_one(echo, method, path, allowed):
    answer = echo.client.request(method, echo.url(path))
    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'{"instances": [1], "inputs": [1]}', "both instances and inputs"),
        (b'{"rows": [1]}', "neither instances nor inputs"),
        (b"", "The body is empty"),
        (b'{"instances": [1,]}', "line 1, column"),
        (b"[1, 2]", "The body is a list"),
        (b'"x"', "The body is a string"),
        (b'{"instances": {"a": 1}}', "The value of instances is an object"),
        (b'{"inputs": 5}', "The value of inputs is a number"),
        (b'{"inputs": null}', "The value of inputs is null"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[NaN" + b"[" * 90_000, "not JSON"),
    ],
)
def test_a_body_that_cannot_be_predicted_is_told_why(echo, body, sentence):
    answer = echo.post("/v1/models/iris:predict", content=body)
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]
    assert answer.json()["code"] == "BadBody"


def test_nan_is_read_and_answered_as_null(echo):
    answer = echo.post("/v1/models/iris:predict", content=b'{"instances": [NaN, 1.5]}')
    assert answer.json() == {"predictions": [None, 1.5]}


def test_an_error_of_the_user_is_told_without_its_traceback(serve):
    server = serve(
        "class Predict:\n    def predict(self, inputs):\n        raise ValueError('no petals')\n"
    ).ready()
    answer = server.predict(1, headers={"X-Request-Id": "call-1"})
    assert answer.status_code == 500
    assert answer.json() == {
        "error": "ValueError: no petals",
        "code": "PredictFailed",
        "request_id": "call-1",
    }
    assert "predict failed [call-1]" in server.log
    assert "iris.py" in server.log


@pytest.mark.parametrize("keyword", ["def", "async def"])
def test_nothing_a_script_raises_ends_the_server(serve, keyword):
    script = f"""
        import builtins
        class Predict:
            {keyword} predict(self, inputs):
                raise getattr(builtins, inputs[0])("on purpose")
    """
    server = serve(script).ready()
    for name in ("SystemExit", "KeyboardInterrupt", "StopIteration", "GeneratorExit", "RecursionError"):
        assert server.predict(name).status_code == 500
    assert server.get("/v2/health/ready").status_code == 200


def test_memory_that_runs_out_in_a_call_leaves_the_server_alive(serve):
    server = serve("class Predict:\n    def predict(self, inputs):\n        raise MemoryError\n").ready()
    assert server.predict(1).json()["code"] == "OutOfMemory"
    assert server.get("/v2/health/live").status_code == 200


def test_an_answer_that_is_not_json_names_its_type_and_place(serve):
    script = """
        class Flower: ...
        class Predict:
            def predict(self, inputs):
                return [{"label": 1}, {"label": Flower()}]
    """
    answer = serve(script).ready().predict(1)
    assert answer.status_code == 500
    assert answer.json()["code"] == "AnswerInvalid"
    assert "predictions[1]['label'] is a iris.Flower" in answer.json()["error"]


def test_every_answer_has_a_request_id_of_its_own(echo):
    first, second = echo.predict(1), echo.get("/nowhere")
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert second.json()["request_id"] == second.headers["x-request-id"]


def test_a_sane_request_id_is_kept_and_another_replaced(echo):
    assert echo.predict(1, headers={"X-Request-Id": "abc-123"}).headers["x-request-id"] == "abc-123"
    assert echo.predict(1, headers={"X-Request-Id": "a b"}).headers["x-request-id"] != "a b"
    assert echo.predict(1, headers={"X-Request-Id": "a" * 500}).headers["x-request-id"] != "a" * 500


def test_the_state_of_the_model_is_shown(echo):
    assert echo.get("/v1/models").json() == {"models": ["iris"]}
    state = echo.get("/v1/models/iris").json()
    assert (state["name"], state["ready"], state["verbs"]) == ("iris", True, ["predict"])
    assert echo.get("/v1/models/rose").status_code == 404
    assert echo.get("/").json()["model"] == "iris"


def test_head_has_no_body(echo):
    answer = echo.client.head(echo.url("/v2/health/ready"))
    assert (answer.status_code, answer.content) == (200, b"")
    assert echo.get("/v2/health/live").status_code == 200


def test_nothing_is_ready_while_the_model_loads(serve, tmp_path):
    gate = tmp_path / "gate"
    script = f"""
        import os, time
        while not os.path.exists({str(gate)!r}):
            time.sleep(0.01)
        class Predict:
            def predict(self, inputs): return inputs
    """
    server = serve(script)
    assert server.get("/v2/health/live").status_code == 200
    health = server.get("/v2/health/ready")
    assert (health.status_code, health.json()["reason"]) == (503, "The model is loading.")
    assert server.get("/v1/models/iris").status_code == 503
    early = server.predict(1)
    assert (early.status_code, early.headers["retry-after"]) == (503, "1")
    gate.touch()
    assert server.ready().predict(1).status_code == 200


def test_health_answers_at_once_while_a_long_call_runs(serve, tmp_path):
    gate = tmp_path / "gate"
    script = f"""
        import os, time
        class Predict:
            def predict(self, inputs):
                while not os.path.exists({str(gate)!r}):
                    time.sleep(0.01)
                return inputs
    """
    server = serve(script).ready()
    answers = []
    caller = threading.Thread(target=lambda: answers.append(server.predict(1)))
    caller.start()
    eventually(lambda: server.metric("hopyard_in_flight") == 1)
    assert server.get("/v2/health/ready").status_code == 200
    gate.touch()
    caller.join()
    assert answers[0].status_code == 200


def test_failures_in_a_row_are_counted_until_one_call_works(serve):
    script = """
        class Predict:
            def predict(self, inputs):
                return 1 / inputs[0]
    """
    server = serve(script).ready()
    server.predict(0)
    server.predict(0)
    health = server.get("/v2/health/ready").json()
    assert health["consecutive_failures"] == 2
    assert health["last_error"] == "ZeroDivisionError: division by zero"
    server.predict(1)
    assert server.get("/v2/health/ready").json()["consecutive_failures"] == 0


def test_where_rules_redact_only_the_class_of_the_last_error_is_told(serve):
    script = """
        class Predict:
            def predict(self, inputs):
                raise ValueError(f"{inputs[0]} is no number")
    """
    server = serve(script, REDACTION='[{"field": "ssn", "action": "mask"}]').ready()
    assert "123-45-6789" in server.predict("123-45-6789").text, "its caller knows it"
    told = server.get("/v2/health/ready")
    assert told.json()["last_error"].startswith("ValueError: its text may quote what the rules")
    assert "123-45-6789" not in told.text


def test_metrics_count_requests_by_verb_and_status(serve):
    server = serve().ready()
    server.predict(1)
    server.predict(2)
    server.post("/v1/models/iris:predict", content=b"x")
    assert server.metric('hopyard_requests_total{model="iris",verb="predict",status="200"}') == 2
    assert server.metric('hopyard_requests_total{model="iris",verb="predict",status="400"}') == 1
    assert server.metric('hopyard_request_seconds_count{model="iris",verb="predict"}') == 3
    assert server.metric('hopyard_request_seconds_bucket{model="iris",verb="predict",le="+Inf"}') == 3
    assert server.metric("hopyard_ready") == 1
    assert server.metric("hopyard_in_flight") == 0
    assert "hopyard_inference_log_dropped_total 0" in server.get("/metrics").text


def test_what_the_script_prints_is_in_the_log_at_once(serve):
    server = serve(
        "class Predict:\n    def predict(self, inputs):\n        print('hello')\n        return 1\n"
    ).ready()
    server.predict(1)
    assert "hello" in server.log


@pytest.mark.parametrize("tail", ["%0A", "/infer", ""])
def test_an_address_of_thousands_of_slashes_is_answered_at_once(serve, tail):
    server = serve().ready()
    answer = server.get(f"/v2/models/a{'/' * 20_000}{tail}", timeout=5)
    assert answer.status_code == 404


def test_a_whole_url_is_a_target_too(serve):
    server = serve().ready()
    body = b'{"instances": [1]}'
    target = b"http://example.org/v1/models/iris:predict"
    head = b"POST %b HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
    assert b'{"predictions":[1]}' in server.exchange(head % (target, len(body)) + body)


def test_an_answer_that_is_slow_to_write_keeps_nobody_waiting(serve, tmp_path):
    gate = tmp_path / "gate"
    script = f"""
        import os, time
        class Slow:
            def tolist(self):
                while not os.path.exists({str(gate)!r}):
                    time.sleep(0.01)
                return [1]
        class Predict:
            def predict(self, inputs):
                return Slow()
    """
    server = serve(script).ready()
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(server.predict, 1)
        eventually(lambda: server.metric("hopyard_in_flight") == 1)
        assert httpx.get(server.url("/v2/health/live")).json() == {"live": True}
        gate.touch()
        assert answer.result().json() == {"predictions": [1]}
