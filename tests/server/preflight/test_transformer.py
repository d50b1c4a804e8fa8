"""A transformer is checked as the predictor is, and the input example goes through it."""

import pytest

ROWS = [[1.0, 2.0], [3.0, 4.0]]
SUMS = """
    class Predict:
        def predict(self, inputs):
            return [sum(row) for row in inputs]
"""
HALVES = """
    class Transformer:
        def preprocess(self, inputs):
            return {"instances": [[x / 2 for x in row] for row in inputs["instances"]]}
        async def postprocess(self, outputs):
            return {"predictions": [{"sum": each} for each in outputs["predictions"]]}
"""
MODEL = """
    import kserve
    class Halves(kserve.Model):
        def preprocess(self, payload, headers=None):
            return {"instances": [[x / 2 for x in row] for row in payload["instances"]]}
"""


@pytest.fixture
def check_both(check, tmp_path):
    def run(transformer, script=SUMS, **settings):
        path = tmp_path / "halving.py"
        path.write_text("\n".join(line.removeprefix("    ") for line in transformer.splitlines()))
        return check(script, TRANSFORMER=path, **settings)

    return run


def test_the_example_goes_through_the_transformer(check_both):
    found = check_both(HALVES, example=ROWS)
    assert found.status == 0, found.log
    assert found.states()["transformer"] == "passed"
    assert found.sentence("transformer") == "Transformer was built; preprocess and postprocess can be called."
    assert found.checks["json"]["evidence"] == '{"predictions":[{"sum":1.5},{"sum":3.5}]}'


def test_a_model_of_kserve_may_transform(check_both):
    found = check_both(MODEL, example=ROWS)
    assert found.checks["json"]["evidence"] == '{"predictions":[1.5,3.5]}', found.log


BROKEN = {
    "syntax": (
        HALVES.replace("inputs):", "inputs)"),
        "syntax",
        "ScriptSyntaxError",
        "halving.py:3 is not valid",
    ),
    "package": ("import cv2\n" + HALVES, "transformer", "DependencyMissing", "add opencv-python to"),
    "no class": (
        HALVES.replace("Transformer", "Halves"),
        "transformer",
        "ClassMissing",
        "halving.py has no class named Transformer; the classes found are Halves",
    ),
    "no method": (
        "class Transformer: ...",
        "transformer",
        "MethodMissing",
        "neither preprocess nor postprocess",
    ),
    "no argument": (
        HALVES.replace("self, outputs", "self"),
        "transformer",
        "MethodInvalid",
        "Transformer.postprocess (line 5 of halving.py) takes no outputs, and the server calls postprocess(outputs)",
    ),
    "arguments too many": (
        HALVES.replace("self, inputs", "self, inputs, headers, extra"),
        "transformer",
        "MethodInvalid",
        "needs extra too, and the server calls preprocess(inputs, headers)",
    ),
    "constructor": (
        HALVES + "        def __init__(self, path): ...\n",
        "transformer",
        "LoadFailed",
        "Transformer cannot be constructed without path",
    ),
    "raises": (
        HALVES.replace("x / 2", "x / 0"),
        "predicts",
        "TransformerFailed",
        "Transformer.preprocess raised ZeroDivisionError: float division by zero; correct the transformer.",
    ),
    "no JSON": (
        HALVES.replace('{"sum": each}', "object()"),
        "json",
        "AnswerInvalid",
        "Transformer.postprocess",
    ),
}


@pytest.mark.parametrize("transformer", BROKEN)
def test_a_broken_transformer_fails_one_check_with_its_sentence(check_both, transformer):
    text, name, code, sentence = BROKEN[transformer]
    found = check_both(text, example=ROWS)
    assert found.status == 3
    assert found.failed == [name]
    assert found.checks[name]["code"] == code
    assert sentence in found.sentence(name)


def test_a_failing_handler_is_the_evidence(check_both):
    evidence = check_both(HALVES.replace("x / 2", "x / 0"), example=ROWS).checks["predicts"]["evidence"]
    assert "x / 0" in evidence
    assert "hopyard/server" not in evidence


def test_both_scripts_are_told_about_where_both_are_no_python(check_both):
    found = check_both("def (", script="class Predict")
    assert "iris.py:1 is not valid" in found.sentence("syntax")
    assert "halving.py:1 is not valid" in found.sentence("syntax")


def test_a_transformer_alone_is_checked_alone(check, tmp_path):
    path = tmp_path / "halving.py"
    path.write_text("class Transformer:\n    def preprocess(self, inputs): return inputs\n")
    predictors = tmp_path / "predictors.json"
    predictors.write_text("[]")
    found = check(None, TRANSFORMER=path, SCRIPT="", PREDICTORS_FILE=predictors)
    assert found.status == 0, found.log
    passed = [name for name, state in found.states().items() if state == "passed"]
    assert passed == ["syntax", "transformer"]
