"""A transformer in the predictor's process: what comes behind it is batched, and nothing waits in anybody's way."""

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.server.process import eventually

from .conftest import TENFOLD, Stand

WORDS = """
class Transformer:
    def preprocess(self, inputs):
        return {"instances": [[float(len(word)), 1.5] for word in inputs["instances"]]}
"""
SIZES = """
from pathlib import Path
import time

class Predict:
    def predict(self, inputs):
        if len(inputs) == 1 and inputs[0][0] == 7.0:
            while not Path("go").exists():
                time.sleep(0.002)
        return [{"rows": len(inputs)} if Path("go").exists() else sum(row) for row in inputs]
"""


@pytest.fixture
def example(tmp_path: Path) -> Path:
    path = tmp_path / "example.json"
    path.write_text(json.dumps({"instances": ["one", "three"]}))
    return path


def test_rows_are_proven_to_join_as_preprocess_makes_them(inline: Stand, example: Path) -> None:
    server = inline(WORDS, SIZES, INPUT_EXAMPLE=example).ready()
    assert "Batching of verb predict is on" in server.log
    url = server.url("/v1/models/iris:predict")

    def ask(word: str) -> int:
        rows: int = httpx.post(url, json={"instances": [word]}, timeout=20).json()["predictions"][0]["rows"]
        return rows

    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(ask, "sevenxx")
        eventually(lambda: server.metric("hopyard_in_flight") == 1)
        others = [pool.submit(ask, "four") for _ in range(8)]
        count = 'request_preprocess_seconds_count{model_name="iris"}'
        eventually(lambda: server.metric(count) == 9)
        (server.directory / "go").touch()
        assert first.result() == 1
        assert max(each.result() for each in others) > 1


def test_an_example_that_only_the_predictor_could_take_is_a_failure(inline: Stand, example: Path) -> None:
    failure = inline(TENFOLD, INPUT_EXAMPLE=example).failure()
    assert failure["code"] == "PredictFailed"
    assert "unsupported operand" in failure["reason"]


def test_what_waits_in_a_handler_keeps_nobody_else_waiting(inline: Stand, tmp_path: Path) -> None:
    waits = f"""
        import time
        from pathlib import Path
        class Transformer:
            def preprocess(self, inputs):
                if inputs["instances"] == [["wait"]]:
                    Path({str(tmp_path / "seen")!r}).touch()
                    while not Path({str(tmp_path / "go")!r}).exists():
                        time.sleep(0.002)
                return {{"instances": [[1]]}}
        """
    server = inline(waits).ready()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(
            httpx.post, server.url("/v1/models/iris:predict"), json={"instances": [["wait"]]}
        )
        eventually((tmp_path / "seen").exists)
        assert server.get("/v2/health/ready").status_code == 200
        (tmp_path / "go").touch()
        assert waiting.result().json() == {"predictions": [1]}


def test_a_handler_is_called_in_the_thread_that_built_it(inline: Stand, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "features.db") as database:
        database.execute("create table features (id, value)")
        database.execute("insert into features values (1, 41)")
    server = inline(
        f"""
        import sqlite3
        class Transformer:
            def __init__(self):
                self.features = sqlite3.connect({str(tmp_path / "features.db")!r})
            def preprocess(self, inputs):
                found = self.features.execute("select value from features where id = 1").fetchone()
                return {{"instances": [[*found, 1]]}}
        """
    ).ready()
    assert server.predict([1]).json() == {"predictions": [42]}


def test_the_model_is_loaded_again_behind_it(inline: Stand) -> None:
    server = inline().ready()
    assert server.post("/v2/repository/models/iris/unload").status_code == 200
    assert server.predict([1, 2]).status_code == 503
    assert server.post("/v2/repository/models/iris/load").status_code == 200
    assert server.predict([1, 2]).json()["predictions"] == [31]
