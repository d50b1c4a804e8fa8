"""How models are constructed and loaded, and what is said while they are not, or could not be."""

import pytest

from ..process import eventually

LOADING = """
import os, time
import mlrun
class Slow(mlrun.serving.V2ModelServer):
    def load(self):
        while not os.path.exists("go"):
            time.sleep(0.01)
        if open("go").read():
            raise ValueError("weights of another shape")
    def predict(self, request):
        return request["inputs"]
fn = mlrun.new_function("f", kind="serving")
fn.add_model("m", class_name="Slow", model_path=".")
fn.spec.load_mode = "async"
fn.spec.readiness_timeout = 600
"""


@pytest.fixture
def loading(serve, tmp_path):
    server = serve(LOADING, directory=tmp_path)
    eventually(lambda: server.get("/v2/models/m").status_code == 200)
    return server


def test_a_model_that_loads_in_the_background_is_not_ready_but_known(loading, tmp_path):
    ready = loading.get("/v2/models/m/ready")
    assert (ready.status_code, ready.text) == (408, "model not ready")
    infer = loading.post("/v2/models/m/infer", json={"inputs": [1]})
    assert (infer.status_code, infer.text) == (400, "RuntimeError: model m is not ready yet")
    assert loading.get("/v2/health/ready").status_code == 503
    (tmp_path / "go").write_text("")
    loading.ready()
    assert loading.post("/v2/models/m/infer", json={"inputs": [1]}).json()["outputs"] == [1]


def test_why_loading_in_the_background_failed_is_told(loading, tmp_path):
    (tmp_path / "go").write_text("fail")
    reason = "it failed to load: ValueError: weights of another shape"
    eventually(lambda: reason in loading.get("/v2/models/m/ready").text)
    assert loading.get("/v2/models/m/ready").status_code == 408
    assert reason in loading.post("/v2/models/m/infer", json={"inputs": [1]}).text
    assert "weights of another shape" in loading.get("/v2/health/ready").json()["reason"]


@pytest.mark.parametrize(
    ("lines", "code", "said"),
    [
        ("def load(self): raise ValueError('bad weights')", "LoadFailed", "ValueError: bad weights"),
        ("def load(self): open(self.model_path + '/none.pkl')", "ModelFileMissing", "none.pkl"),
        ("def load(self): self.get_model('.bin')", "LoadFailed", "cant resolve model file for"),
        ("pass", "LoadFailed", "please specify a load method or a model object"),
        ("async def predict(self, request): pass", "MethodAsync", "Broken.predict is an async def"),
    ],
)
def test_what_keeps_a_model_from_loading_is_said_in_its_own_words(serve, lines, code, said):
    script = f"import mlrun\nclass Broken(mlrun.serving.V2ModelServer):\n    {lines}\n"
    failure = serve(script).failure()
    assert failure["code"] == code
    assert said in failure["reason"]


TWO = """
from mlrun.serving import V2ModelServer
class Shared(V2ModelServer):
    def load(self): pass
class First(Shared):
    def predict(self, request): return ["first"]
class Second(Shared):
    def predict(self, request): return ["second"]
"""


def test_of_several_classes_one_must_be_named(serve):
    failure = serve(TWO).failure()
    assert failure["code"] == "ClassAmbiguous"
    assert "First, Second" in failure["reason"]
    server = serve(TWO, CLASS_NAME="Second").ready()
    assert server.post("/v2/models/iris/infer", json={"inputs": [1]}).json()["outputs"] == ["second"]


def test_the_platforms_version_is_the_models(serve):
    script = "import mlrun\nclass M(mlrun.serving.V2ModelServer):\n    def load(self): pass\n"
    script += "    def predict(self, request): return [self.version]\n"
    server = serve(script, MODEL_VERSION=3).ready()
    answer = server.post("/v2/models/iris/infer", json={"inputs": [1]}).json()
    assert (answer["outputs"], answer["model_version"]) == (["3"], "3")


SPEC = """{"version": "v2", "function_uri": "p/f", "parameters": {"b": 5}, "graph": {"kind": "router", "routes":
{"m": {"kind": "task", "class_name": "M", "class_args": {"a": 1}}, "n:v1": {"class_name": "M"}}}}"""
OF_SPEC = """
import mlrun
class M(mlrun.serving.V2ModelServer):
    def load(self): pass
    def predict(self, request): return [self.get_param("a", 0), self.get_param("b"), self.context.project]
"""


def test_the_spec_that_mlrun_hands_its_containers_is_served(serve, monkeypatch):
    monkeypatch.setenv("SERVING_SPEC_ENV", SPEC)
    server = serve(OF_SPEC).ready()
    assert server.get("/v2/models").json() == {"models": ["m", "n:v1"]}
    assert server.post("/v2/models/m/infer", json={"inputs": []}).json()["outputs"] == [1, 5, "p"]
    assert server.post("/v2/models/n/infer", json={"inputs": []}).json()["outputs"] == [0, 5, "p"]


def test_a_spec_of_a_flow_says_what_is_served(serve, monkeypatch):
    monkeypatch.setenv("SERVING_SPEC_ENV", '{"graph": {"kind": "root", "steps": {}}}')
    failure = serve(OF_SPEC).failure()
    assert failure["code"] == "ConfigurationInvalid"
    assert "graphs of kind router" in failure["reason"]
