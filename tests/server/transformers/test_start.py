"""A transformer script that cannot be served says why, in a failure of its own name."""

from collections.abc import Callable

import pytest

from tests.server.process import ServerProcess

from .conftest import Stand

Serve = Callable[..., ServerProcess]

BROKEN = [
    (
        "class Transformer:\n    def preprocess(self inputs): ...\n",
        "ScriptSyntaxError",
        "is not valid Python on line 2",
    ),
    (
        "import nowhere_at_all\n",
        "DependencyMissing",
        "needed while importing the transformer transformer-iris.py",
    ),
    ("raise ValueError('no')\n", "ImportFailed", "ValueError: no, raised while importing the transformer"),
    ("class Other: ...\n", "ClassMissing", "has no class named Transformer; the classes found are Other"),
    ("x = 1\n", "ClassMissing", "it defines no class at all"),
    ("class Transformer: ...\n", "MethodMissing", "has neither preprocess nor postprocess"),
    (
        "class Transformer:\n    def __init__(self): open('weights')\n    def preprocess(self, inputs): ...\n",
        "ModelFileMissing",
        "while building the transformer transformer-iris.py",
    ),
    (
        "class Transformer:\n    def __init__(self): {}['a']\n    def preprocess(self, inputs): ...\n",
        "LoadFailed",
        "KeyError: 'a', raised while building the transformer",
    ),
    (
        "from kserve import Model\nclass A(Model):\n    def predict(self, p): ...\n    def preprocess(self, p): ...\n",
        "ClassMissing",
        "A overrides predict, which makes it a predictor",
    ),
]


@pytest.mark.parametrize(("script", "code", "sentence"), BROKEN)
def test_a_script_that_cannot_be_served_is_named(alone: Stand, script: str, code: str, sentence: str) -> None:
    failure = alone(script).failure()
    assert failure["code"] == code
    assert sentence in failure["reason"]
    assert "transformer transformer-iris.py" in failure["reason"]


def test_it_is_named_beside_a_predictor_too(inline: Stand) -> None:
    failure = inline("class Transformer: ...\n").failure()
    assert (failure["code"], "transformer-iris.py" in failure["reason"]) == ("MethodMissing", True)


def test_it_is_named_where_several_processes_load_it(inline: Stand) -> None:
    failure = inline("import nowhere_at_all\n", WORKERS=2).failure()
    assert (failure["code"], "the transformer" in failure["reason"]) == ("DependencyMissing", True)


def test_a_script_that_is_not_there_is_named(serve: Serve) -> None:
    failure = serve(TRANSFORMER="/nowhere/t.py").failure()
    assert failure["code"] == "ScriptNotFound"
    assert failure["reason"].startswith("The transformer /nowhere/t.py cannot be read")


def test_a_transformer_without_anybody_to_ask_is_a_wrong_configuration(serve: Serve) -> None:
    failure = serve(None, SCRIPT="", TRANSFORMER="t.py").failure()
    assert (failure["code"], "HOPYARD_PREDICTORS_FILE" in failure["reason"]) == ("ConfigurationInvalid", True)


PUBLISHED = """
import argparse
from kserve import Model, ModelServer, model_server

class ImageTransformer(Model):
    def __init__(self, name: str, predictor_host: str, predictor_protocol: str, predictor_use_ssl: bool):
        super().__init__(name)
        self.predictor_host = predictor_host
        self.ready = True

    def preprocess(self, payload, headers=None):
        return {"instances": [[each + 1 for each in row] for row in payload["instances"]]}

parser = argparse.ArgumentParser(parents=[model_server.parser])
args, _ = parser.parse_known_args()

if __name__ == "__main__":
    ModelServer().start([ImageTransformer(args.model_name, "host", "v1", False)])
"""


@pytest.mark.parametrize("script", [PUBLISHED, PUBLISHED.replace('if __name__ == "__main__":', "if True:")])
def test_a_kserve_transformer_with_its_own_start_code_is_taken_as_it_is(inline: Stand, script: str) -> None:
    assert inline(script).ready().predict([1, 2]).json() == {"predictions": [5]}
