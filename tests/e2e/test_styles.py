"""Scripts written for MLRun and for KServe on the running platform, asked as their users ask them."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hopyard.client import Client
from tests.e2e.conftest import Platform
from tests.waiting import eventually

pytestmark = pytest.mark.e2e

MLRUN = """
from mlrun.serving import V2ModelServer

class Zeros(V2ModelServer):
    def load(self): ...
    def predict(self, body):
        return [0 for _ in body["inputs"]]

class Squares(V2ModelServer):
    def load(self):
        self.power = 2
    def predict(self, body):
        return [row[0] ** self.power for row in body["inputs"]]
    def explain(self, body):
        return ["squared" for _ in body["inputs"]]
"""
KSERVE = """
from kserve import Model, ModelServer

class Sums(Model):
    def load(self):
        self.ready = True
    def predict(self, payload, headers=None):
        return {"predictions": [sum(row) for row in payload["instances"]], "user": headers["x-user"]}

if __name__ == "__main__":
    model = Sums("a-name-of-its-own")
    model.load()
    ModelServer().start([model])
"""
STREAM = """
class Predict:
    def predict(self, inputs):
        return iter([{"row": row} for row in inputs])
"""


@pytest.fixture(scope="module")
def key(platform: Platform) -> str:
    said = {"username": "admin", "password": platform.password, "project": "demo"}
    made: str = httpx.post(f"{platform.url}/api/login/", json=said).raise_for_status().json()["key"]
    return made


@pytest.fixture(scope="module")
def client(platform: Platform, key: str) -> Iterator[Client]:
    with Client(platform.url, key, "demo") as client:
        yield client


Serve = Callable[..., list[httpx.Client]]


@pytest.fixture
def serve(client: Client, key: str, tmp_path: Path) -> Iterator[Serve]:
    """Start a serving of a script; ask it at its path and at its port."""
    callers: list[httpx.Client] = []
    started: list[str] = []

    def start(name: str, script: str, **settings: Any) -> list[httpx.Client]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "script.py").write_text(script)
        version = client.models.export(tmp_path / name, name)
        client.servings.create(name, f"{version.path}/script.py", **settings)
        started.append(name)
        made = client.servings.start(name, wait=True, timeout=60)
        headers = {"authorization": f"ApiKey {key}", "x-user": "ann"}
        for url in (made.url, made.direct_url):
            callers.append(httpx.Client(base_url=re.sub("/v1/.*", "", url), headers=headers, timeout=30))
        return callers

    yield start
    for caller in callers:
        caller.close()
    for name in started:
        client.servings.delete(name)


def verbs_recorded(platform: Platform, key: str, name: str) -> set[str]:
    url = f"{platform.url}/api/projects/demo/servings/{name}/inference-records/"
    answer = httpx.get(url, headers={"authorization": f"ApiKey {key}"}).raise_for_status()
    return {each["verb"] for each in answer.json()["items"]}


def test_a_class_of_mlrun_answers_in_its_own_words(platform: Platform, key: str, serve: Serve) -> None:
    for caller in serve("squares", MLRUN, class_name="Squares", batching={"mode": "off"}):
        answer = caller.post("/v2/models/squares/infer", json={"inputs": [[5], [6]]}).json()
        assert (answer["model_name"], answer["outputs"]) == ("squares", [25, 36])
        explained = caller.put("/v2/models/squares/explain", json={"inputs": [[5]]}).json()
        assert explained["outputs"] == ["squared"]
        assert caller.get("/v2/models/squares/ready").status_code == 200
    eventually(lambda: {"infer", "explain"} <= verbs_recorded(platform, key, "squares"))


def test_a_script_of_kserve_answers_under_the_servings_name_and_sees_the_callers_headers(
    serve: Serve,
) -> None:
    for caller in serve("sums", KSERVE):
        answer = caller.post("/v1/models/sums:predict", json={"instances": [[1, 2], [3, 4]]})
        assert answer.json() == {"predictions": [3, 7], "user": "ann"}
        assert "/v1/models/a-name-of-its-own:predict" in caller.get("/openapi.json").json()["paths"]


def test_an_answer_in_pieces_is_the_same_at_both_addresses(serve: Serve) -> None:
    for caller in serve("stream", STREAM):
        with caller.stream("POST", "/v1/models/stream:predict", json={"instances": [1, 2]}) as answer:
            assert answer.headers["transfer-encoding"] == "chunked"
            assert answer.headers["content-type"] == "application/x-ndjson"
            assert list(answer.iter_lines()) == ['{"row":1}', '{"row":2}']
