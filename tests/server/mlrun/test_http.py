"""What callers of a V2ModelServer are answered over HTTP: status, content type and words."""

import json

import pytest

from ..process import ServerProcess

SCRIPT = """
import mlrun
from mlrun.serving import V2ModelServer

class Multiplier(V2ModelServer):
    def load(self):
        self.factor = self.get_param("factor", 2)

    def predict(self, request):
        if request["inputs"] == ["numbers?"]:
            raise KeyError("no number")
        if request["inputs"] == ["set"]:
            return object()
        return [row * self.factor for row in request["inputs"]]

    def op_echo(self, event):
        return {"path": event.path, "body": event.body, "method": event.method}

    def op_tea(self, event):
        return self.context.Response(body="short and stout", status_code=418, headers={"x-pot": "1\\r\\nx: y"})

    def op_none(self, event):
        pass

    def op_text(self, event):
        return "just text"

    def op_missing(self, event):
        raise mlrun.errors.MLRunNotFoundError("no such thing")

    def op_itself(self, event):
        event.body = {"seen": True}
        return event

    def op_image(self, event):
        return event.body["inputs"][0].read().decode()

fn = mlrun.code_to_function("f", kind="serving")
fn.add_model("m1", class_name="Multiplier", model_path=".")
fn.add_model("m3:v1", class_name="Multiplier", model_path=".", factor=10)
fn.add_model("m3:v2", class_name=Multiplier(factor=20))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = ServerProcess(tmp_path_factory.mktemp("mlrun"), SCRIPT, {})
    yield server.ready()
    server.close()


def infer(server, path="/v2/models/m1/infer", body='{"inputs": [1, 2]}', method="POST", **headers):
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return server.client.request(method, server.url(path), content=body, headers=names)


@pytest.mark.parametrize("method", ["POST", "PUT", "GET", "DELETE"])
@pytest.mark.parametrize("path", ["/v2/models/m1/infer", "/v2/models/m1/predict", "/v2/models/m1//infer/"])
def test_any_method_infers(server, path, method):
    answer = infer(server, path, method=method)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["outputs"] == [2, 4]


def test_the_envelope_has_mlruns_keys_in_mlruns_order(server):
    answer = infer(server, body='{"inputs": [1], "id": "abc"}').json()
    assert list(answer) == ["id", "model_name", "outputs", "timestamp"]
    assert answer["id"] == "abc"
    assert answer["timestamp"][10] == " "
    assert answer["timestamp"].endswith("+00:00")
    versioned = infer(server, "/v2/models/m3/versions/v2/infer").json()
    assert list(versioned) == ["id", "model_name", "outputs", "timestamp", "model_version"]
    assert (versioned["model_name"], versioned["model_version"]) == ("m3", "v2")


@pytest.mark.parametrize(
    ("path", "body", "outputs"),
    [
        ("/v2/models/m3:v1/infer", {}, [10]),
        ("/v2/models/m3/versions/v1/infer", {}, [10]),
        ("/v2/models/m3/infer", {}, [20]),
        ("/v2/models/m1", {}, [2]),
        ("/v2/models/m1", {"operation": "predict"}, [2]),
        ("/v2/models/m1/echo", {"operation": "infer"}, [2]),
        ("/v2/models/m1/infer", {"model": "m3:v1"}, [2]),
        ("/", {}, [2]),
        ("/", {"model": "m3", "version": "v1"}, [10]),
        ("/", {"model": "m3:v2", "operation": "infer"}, [20]),
    ],
)
def test_the_url_or_the_body_says_which_model_and_operation(server, path, body, outputs):
    assert infer(server, path, json.dumps({"inputs": [1], **body})).json()["outputs"] == outputs


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ('{"inputs": [1]}', "application/json; charset=utf-8"),
        ('{"inputs": [1]}', "text/plain"),
        ('{"inputs": [1]}', "application/octet-stream"),
        (json.dumps('{"inputs": [1]}'), "application/json"),
        ('{"inputs": [1], "ignored": NaN}', "json"),
    ],
)
def test_bodies_are_read_forgivingly(server, body, content_type):
    assert infer(server, body=body, content_type=content_type).json()["outputs"] == [2]


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("/v2/models/m1/infer", '{"input": [1]}', 'Exception: Expected key "inputs" in request body'),
        ("/v2/models/m1/infer", '{"inputs": {}}', 'Exception: Expected "inputs" to be a list'),
        ("/v2/models/m1/infer", '{"inputs": ["numbers?"]}', "KeyError: 'no number'"),
        ("/v2/models/m1/infer", "", "TypeError: argument of type 'NoneType' is not iterable"),
        ("/v2/models/m1/infer", "[1]", "ValueError: Unrecognized request format, caused by: "),
        ("/v2/models/m1/infer", "{broken", "ValueError: Unrecognized request format, caused by: "),
        ("/v2/models/m1/explain", '{"inputs": [1]}', "NotImplementedError: NotImplementedError()"),
        ("/v2/models/m1/Infer", '{"inputs": [1]}', "ValueError: illegal model operation Infer, method=POST"),
        ("/v2/models/m1/echo/x", "{}", "ValueError: illegal model operation echo/x, method=POST"),
        ("/v2/models/m1/ready", "{}", "ValueError: illegal model operation ready, method=POST"),
        (
            "/v2/models/zz/infer",
            "{}",
            "ValueError: model zz doesnt exist, available models: m1 | m3:v1 | m3:v2",
        ),
        (
            "/v2/models/m1/infer",
            '{"data_url": "file:///etc/passwd"}',
            "ValueError: data_url is file:///etc/passwd; only http",
        ),
        (
            "/v2/models/m1/infer_dict",
            '{"inputs": {"a": 1}}',
            "MLRunInvalidArgumentError: In order to use predict_dict or infer_dict operation",
        ),
    ],
)
def test_what_is_wrong_is_said_in_plain_text_with_400(server, path, body, text):
    answer = infer(server, path, body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "text/plain"
    assert answer.text.startswith(text)


def test_json_that_says_it_is_json_and_is_not_is_named_so(server):
    answer = infer(server, body="{broken", content_type="application/json")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/plain")
    assert answer.text.startswith("failed to json decode event, ")


def test_errors_of_mlrun_keep_their_status(server):
    answer = infer(server, "/v2/models/m1/missing", "{}")
    assert (answer.status_code, answer.text) == (404, "MLRunNotFoundError: no such thing")


def test_an_answer_that_json_cannot_hold_is_explained(server):
    answer = infer(server, body='{"inputs": ["set"]}')
    assert answer.status_code == 500
    assert "cannot be written as JSON" in answer.text


def test_custom_operations_get_the_event_and_answer_as_they_like(server):
    assert infer(server, "/v2/models/m1/echo?x=1", '{"a": 1}', "PUT").json() == {
        "path": "echo",
        "body": {"a": 1},
        "method": "PUT",
    }
    tea = infer(server, "/v2/models/m1/tea", method="GET", body=None)
    assert (tea.status_code, tea.text, tea.headers["x-pot"]) == (418, "short and stout", "1 x: y")
    assert "x" not in tea.headers
    nothing = infer(server, "/v2/models/m1/none", "{}")
    assert (nothing.status_code, nothing.text) == (200, "")
    assert infer(server, "/v2/models/m1/text", "{}").text == "just text"
    assert infer(server, "/v2/models/m1/itself", "{}").json() == {"seen": True}
    image = infer(server, "/v2/models/m1/image", "\x00png", content_type="image/png")
    assert image.text == "\x00png"


def test_headers_name_the_event_and_its_operation(server):
    answer = infer(server, mlrun_event_id="e-1").json()
    assert answer["id"] == "e-1"
    assert infer(server, body='{"inputs": [1], "id": null}', mlrun_event_id="e-1").json()["id"] is None
    assert infer(server, mlrun_event_path="/v2/models/m1/echo").json()["path"] == "echo"


def test_readiness_metadata_and_models_are_told(server):
    ready = server.get("/v2/models/m1/ready")
    assert (ready.status_code, ready.headers["content-type"]) == (200, "text/plain")
    assert ready.text.startswith("Model m1 is ready (event_id = ")
    assert server.get("/v2/models/m3:v1").json() == {
        "name": "m3",
        "version": "v1",
        "inputs": [],
        "outputs": [],
    }
    assert server.get("/v2/models").json() == {"models": ["m1", "m3:v1", "m3:v2"]}


def test_v1_and_tensors_reach_the_same_class(server):
    v1 = server.post("/v1/models/m1:predict", json={"instances": [1, 2]})
    assert v1.json() == {"predictions": [2, 4]}
    tensor = {"name": "x", "shape": [2], "datatype": "INT64", "data": [1, 2]}
    v2 = server.post("/v2/models/m1/infer", json={"inputs": [tensor], "id": "t"}).json()
    assert v2["outputs"][0]["data"] == [2, 4]
    assert v2["id"] == "t"


def test_failures_of_a_model_are_in_the_log_with_their_traceback(server):
    infer(server, body='{"inputs": ["numbers?"]}')
    assert 'raise KeyError("no number")' in server.log
