"""Scripts through a real server: the published examples word for word, and what a process adds to a class.

The published examples need torch, torchvision and a download; `stand_ins` has what they use of them, over numpy.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from ..process import ServerProcess

PUBLISHED = Path(__file__).parent / "published"
STAND_INS = Path(__file__).parent / "stand_ins"
Serve = Callable[..., ServerProcess]


@pytest.fixture
def published(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ServerProcess]:
    monkeypatch.setenv("PYTHONPATH", str(STAND_INS))
    return lambda name: serve((PUBLISHED / f"{name}.txt").read_text()).ready()


def test_the_published_rest_example_is_served(published: Callable[[str], ServerProcess]) -> None:
    server = published("rest")
    image = [[[1.0, 2.0], [3.0, 4.0]]]
    answer = server.post("/v1/models/custom-model:predict", json={"instances": [{"data": image}]})
    assert answer.json() == {"predictions": [90.0, 80.0, 70.0, 60.0, 50.0]}
    # curl -d @input.json says that it sends a form.
    form = {"content-type": "application/x-www-form-urlencoded"}
    body = '{"instances": [{"data": [[1.0]]}]}'
    answer = server.post("/v1/models/custom-model:predict", content=body, headers=form)
    assert answer.json()["predictions"][0] == 9.0
    status = server.get("/v1/models/custom-model").json()
    assert (status["name"], status["ready"]) == ("custom-model", True)


def test_the_published_grpc_example_is_served(published: Callable[[str], ServerProcess]) -> None:
    server = published("grpc")
    body = {"inputs": [{"name": "input-0", "shape": [1, 1, 2], "datatype": "FP32", "data": [1.0, 2.0]}]}
    answer = server.post("/v2/models/custom-model/infer", json=body).json()
    assert answer["model_name"] == "custom-model"
    assert len(answer["id"]) == 36
    output = answer["outputs"][0]
    assert (output["name"], output["datatype"], output["shape"]) == ("output-0", "FP32", [1, 5])
    assert output["data"] == [27.0, 24.0, 21.0, 18.0, 15.0]


@pytest.mark.parametrize("name", ["ray", "ray_gpu"])
def test_the_published_ray_examples_are_served(serve: Serve, name: str) -> None:
    header = "" if name == "ray" else "import kserve\nfrom typing import Dict\nfrom ray import serve\n"
    server = serve(header + (PUBLISHED / f"{name}.txt").read_text()).ready()
    answer = server.post("/v1/models/custom-model:predict", json={"instances": [1]})
    assert (answer.status_code, answer.json()) == (200, None)


SEVERAL = """
import argparse
import kserve
from kserve import model_server

parser = argparse.ArgumentParser(parents=[model_server.parser])
parser.add_argument("--factor", type=int, default=2)
args, _ = parser.parse_known_args()
model_server.app.add_middleware(dict)

class Times(kserve.Model):
    def __init__(self, name, factor):
        super().__init__(name)
        self.factor = factor
        self.load()

    def predict(self, payload, headers=None):
        return {"predictions": [row * self.factor for row in payload["instances"]]}

if __name__ == "__main__":
    server = kserve.ModelServer()
    times = Times(args.model_name, args.factor)
    server.register_model(times, "alias")
    server.start([times, Times("ten", 10)])
"""


def test_several_models_and_a_second_name_are_served(serve: Serve) -> None:
    server = serve(SEVERAL).ready()
    assert server.get("/v1/models").json() == {"models": ["alias", "model", "ten"]}
    for name, factor in (("alias", 2), ("model", 2), ("ten", 10)):
        answer = server.post(f"/v1/models/{name}:predict", json={"instances": [3]})
        assert answer.json() == {"predictions": [3 * factor]}
    assert server.post("/v1/models/none:predict", json={"instances": [3]}).status_code == 404
    assert server.terminate() == 0


CLASS = """
from kserve import Model

class Only(Model):
    def load(self):
        self.ready = True

    def predict(self, payload, headers=None):
        if payload["instances"] == ["fail"]:
            raise ValueError("no such row")
        return {"predictions": payload["instances"]}
"""


def test_a_class_without_a_main_block_is_served_by_the_servers_name(serve: Serve) -> None:
    server = serve(CLASS, MODEL_NAME="iris").ready()
    assert server.predict(1, 2).json() == {"predictions": [1, 2]}
    answer = server.predict("fail")
    assert (answer.status_code, answer.json()["error"]) == (500, "ValueError : no such row")
    assert "no such row" in server.log
    assert server.metric('request_preprocess_seconds_count{model_name="iris"}') == 2
    assert server.metric('request_predict_seconds_count{model_name="iris"}') == 2
    assert server.metric('request_postprocess_seconds_count{model_name="iris"}') == 1


def test_a_model_that_is_not_ready_stops_the_server_in_kserves_words(serve: Serve) -> None:
    script = SEVERAL.replace("self.load()", "pass")
    failure = serve(script.replace('server.register_model(times, "alias")', "")).failure()
    assert "Models with names model,ten are not ready." in failure["reason"]


def test_a_transformer_asks_its_predictor(serve: Serve) -> None:
    predictor = serve(CLASS, MODEL_NAME="iris").ready()
    host, port = predictor.address
    script = f"""
import kserve

class Adds(kserve.Model):
    def __init__(self):
        super().__init__("iris")
        self.predictor_host = "{host}:{port}"
        self.ready = True

    def preprocess(self, payload, headers):
        return {{"instances": [row + 1 for row in payload["instances"]]}}

if __name__ == "__main__":
    kserve.ModelServer().start([Adds()])
"""
    transformer = serve(script).ready()
    assert transformer.predict(1, 2).json() == {"predictions": [2, 3]}
