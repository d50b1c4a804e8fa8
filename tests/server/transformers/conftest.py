"""`stand(transformer, predictor)` starts a transformer before a predictor, in the way that the test is for."""

import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.server.process import ServerProcess

SUMS = """
class Predict:
    def predict(self, inputs):
        if inputs[0][0] == 13:
            raise ValueError("thirteen")
        return [sum(row) for row in inputs]
"""
TENFOLD = """
class Transformer:
    def preprocess(self, inputs):
        return {"instances": [[10 * each for each in row] for row in inputs["instances"]]}

    def postprocess(self, outputs):
        return {"predictions": [each + 1 for each in outputs["predictions"]], "note": "post"}
"""

Stand = Callable[..., ServerProcess]


class Listed:
    """The file of predictors, as the platform writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, *predictors: ServerProcess | str) -> None:
        addresses = [each if isinstance(each, str) else "{}:{}".format(*each.address) for each in predictors]
        self.write_text(json.dumps(addresses))

    def write_text(self, text: str) -> None:
        fresh = self.path.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self.path)


@pytest.fixture
def listed(tmp_path: Path) -> Listed:
    return Listed(tmp_path / "predictors.json")


@pytest.fixture
def alone(serve: Callable[..., ServerProcess], tmp_path: Path, listed: Listed) -> Stand:
    """`alone(transformer)` starts one in a process of its own, before whatever is listed."""

    def start(transformer: str = TENFOLD, **settings: Any) -> ServerProcess:
        script = tmp_path / "transformer-iris.py"
        script.write_text(textwrap.dedent(transformer))
        own = {"SCRIPT": "", "MODEL_NAME": "iris", "TRANSFORMER": script, "PREDICTORS_FILE": listed.path}
        return serve(None, **{**own, **settings})

    return start


@pytest.fixture
def inline(serve: Callable[..., ServerProcess], tmp_path: Path) -> Stand:
    """`inline(transformer, predictor)` starts both in one process."""

    def start(transformer: str = TENFOLD, predictor: str = SUMS, **settings: Any) -> ServerProcess:
        script = tmp_path / "transformer-iris.py"
        script.write_text(textwrap.dedent(transformer))
        return serve(predictor, TRANSFORMER=script, **settings)

    return start


@pytest.fixture(params=["inline", "alone"])
def stand(
    request: pytest.FixtureRequest,
    serve: Callable[..., ServerProcess],
    inline: Stand,
    alone: Stand,
    listed: Listed,
) -> Stand:
    """Both ways, which callers cannot tell apart."""

    def start(transformer: str = TENFOLD, predictor: str = SUMS, **settings: Any) -> ServerProcess:
        if request.param == "inline":
            return inline(transformer, predictor, **settings).ready()
        behind, before = serve(predictor, **settings), alone(transformer, **settings)
        listed.write(behind.ready())
        return before.ready()

    return start
