"""What pre-flight says about scripts that are in order, and about each way to be broken."""

import platform

import pytest

ROWS = [[1.0, 2.0], [3.0, 4.0]]
ORDER = ["files", "syntax", "imports", "class", "methods", "transformer", "loads", "predicts", "json"]
PREDICTED = ("syntax", "imports", "class", "methods", "loads", "predicts", "json")
SUMS = """
    class Predict:
        def predict(self, inputs):
            return [sum(row) for row in inputs]
"""
V2 = """
    from mlrun.serving import V2ModelServer
    class Sums(V2ModelServer):
        def load(self):
            self.model = sum
        def predict(self, request):
            return [self.model(row) for row in request["inputs"]]
"""
KSERVE = """
    import kserve
    class Sums(kserve.Model):
        def __init__(self, name):
            super().__init__(name)
            self.load()
        def load(self):
            self.ready = True
        async def predict(self, payload, headers=None):
            return {"predictions": [sum(row) for row in payload["instances"]]}
"""
STARTED = (
    KSERVE
    + """
    if __name__ == "__main__":
        kserve.ModelServer().start([Sums("sums")])
"""
)
IN_ORDER = {
    "Predict": SUMS,
    "async": SUMS.replace("def predict", "async def predict"),
    "numpy": SUMS.replace("inputs)", "inputs: 'np.ndarray')").replace(
        "[sum(row) for row in inputs]", "inputs.sum(axis=1)"
    ),
    "stream": SUMS.replace("return", "yield from"),
    "NaN": SUMS.replace("sum(row)", "float('nan')"),
    "made when constructed": "class Predict:\n    def __init__(self):\n        self.predict = list\n",
    "static": "class Predict:\n    @staticmethod\n    def predict(inputs): return inputs\n",
    "class method": "class Predict:\n    @classmethod\n    def predict(cls, inputs): return inputs\n",
    "decorated": """
    import functools
    def adding(function):
        @functools.wraps(function)
        def run(self, inputs):
            return function(self, inputs, 1)
        return run
    class Predict:
        @adding
        def predict(self, inputs, offset): return inputs
    """,
    "V2ModelServer": V2,
    "Model": KSERVE,
    "Model that starts its server": STARTED,
}


@pytest.mark.parametrize("style", IN_ORDER)
def test_a_script_in_order_passes_every_check(check, style):
    found = check(IN_ORDER[style], example=ROWS)
    assert found.states() == dict.fromkeys(ORDER, "skipped") | dict.fromkeys(PREDICTED, "passed")
    assert list(found.checks) == ORDER
    assert found.status == 0


@pytest.mark.parametrize(
    "example",
    [
        ROWS,
        ROWS[0],
        {"instances": ROWS},
        {"inputs": ROWS},
        {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [1, 2]}]},
    ],
)
def test_an_example_may_have_any_form_a_request_may_have(check, example):
    found = check(SUMS, example=example)
    assert found.status == 0
    assert "3.0" in found.checks["json"]["evidence"]


def test_without_an_example_it_is_said_how_to_store_one(check):
    found = check(SUMS)
    assert found.status == 0
    assert (found.checks["predicts"]["state"], found.checks["json"]["state"]) == ("skipped", "skipped")
    assert "input_example.json" in found.sentence("predicts")


BROKEN = {
    "syntax": (
        "class Predict:\n    def predict(self, inputs)\n        return inputs\n",
        "syntax",
        "ScriptSyntaxError",
        f"iris.py:2 is not valid for Python {platform.python_version()}: expected ':'",
    ),
    "no Python at all": ("a\0b", "syntax", "ScriptSyntaxError", "cannot contain null bytes"),
    "too deep": ("x = " + "(" * 5000, "syntax", "ScriptSyntaxError", "iris.py:1 is not valid for Python"),
    "deeper": ("x = " + "-" * 50_000 + "1", "syntax", "ScriptSyntaxError", "write it in smaller pieces"),
    "package": (
        "import cv2\n" + SUMS.replace("\n    ", "\n"),
        "imports",
        "DependencyMissing",
        "add opencv-python to",
    ),
    "own exception": (
        "def read():\n    raise RuntimeError('no licence')\nread()\n",
        "imports",
        "ImportFailed",
        "RuntimeError: no licence, raised while importing iris.py (line 2)",
    ),
    "sys.exit": (
        "import sys\nsys.exit(0)\n",
        "imports",
        "ImportFailed",
        "sys.exit(0) was called while importing iris.py (line 2)",
    ),
    "endless recursion": (
        "def f(): return f()\nf()\n",
        "imports",
        "ImportFailed",
        "RecursionError: maximum recursion depth exceeded",
    ),
    "no class": ("x = 1", "class", "ClassMissing", "it defines no class at all"),
    "another class": (
        "class Modell: ...\nclass Helper: ...",
        "class",
        "ClassMissing",
        "found are Modell, Helper",
    ),
    "several classes": (
        V2 + V2.replace("Sums", "More"),
        "class",
        "ClassAmbiguous",
        "several model classes, Sums, More; say which one",
    ),
    "no method": (
        "class Predict:\n    def infer(self, inputs): ...",
        "methods",
        "MethodMissing",
        "has none of",
    ),
    "no such method after all": (
        "class Predict:\n    def __init__(self):\n        if False: self.predict = None\n",
        "methods",
        "MethodMissing",
        "has none of the methods",
    ),
    "no argument": (
        "class Predict:\n    def predict(self): ...",
        "methods",
        "MethodInvalid",
        "Predict.predict (line 2 of iris.py) takes no inputs, and the server calls predict(inputs); "
        "write def predict(self, inputs).",
    ),
    "argument too many": (
        "class Predict:\n    def predict(self, inputs, extra): ...",
        "methods",
        "MethodInvalid",
        "needs extra too, and the server calls predict(inputs); remove extra or give a default",
    ),
    "keyword too many": (
        "class Predict:\n    def predict(self, inputs, *, extra): ...",
        "methods",
        "MethodInvalid",
        "needs extra too",
    ),
    "no self": ("class Predict:\n    def predict(inputs): ...", "methods", "MethodInvalid", "has no self"),
    "no self but two": (
        "class Predict:\n    def predict(inputs, extra): ...",
        "methods",
        "MethodInvalid",
        "has no self",
    ),
    "static with self": (
        "class Predict:\n    @staticmethod\n    def predict(self, inputs): ...",
        "methods",
        "MethodInvalid",
        "is a staticmethod, which gets no self; remove @staticmethod",
    ),
    "no function": (
        "class Predict:\n    predict = 'x'",
        "methods",
        "MethodInvalid",
        "is a str and no method",
    ),
    "constructor": (
        "class Predict:\n    def __init__(self, path): ...\n    def predict(self, inputs): ...",
        "methods",
        "LoadFailed",
        "cannot be constructed without path, and the server gives it no arguments",
    ),
    "async V2ModelServer": (
        V2.replace("def predict", "async def predict"),
        "methods",
        "MethodAsync",
        "write def predict",
    ),
    "V2ModelServer without predict": (
        V2.replace("def predict", "def predictt"),
        "methods",
        "MethodMissing",
        "The class Sums has no method predict of its own; add predict(self, request).",
    ),
    "Model without predict": (
        KSERVE.replace("def predict", "def predictt"),
        "methods",
        "MethodMissing",
        "add predict(self, payload, headers)",
    ),
    "Model that takes nothing": (
        STARTED.replace("self, payload, headers=None", "self"),
        "methods",
        "MethodInvalid",
        "takes no payload, and the server calls predict(payload)",
    ),
    "model file": (
        SUMS + "        def __init__(self):\n            open('wrong.pkl')",
        "loads",
        "ModelFileMissing",
        "The file wrong.pkl was not found while building the model of iris.py (line 6)",
    ),
    "load": (
        V2.replace("self.model = sum", "raise ValueError('bad weights')"),
        "loads",
        "LoadFailed",
        "ValueError: bad weights, raised while building the model of iris.py (line 5)",
    ),
    "predict": (
        SUMS.replace("sum(row)", "row['petal']"),
        "predicts",
        "PredictFailed",
        "TypeError: list indices must be integers or slices, not str (line 4 of iris.py); correct the script.",
    ),
    "exit in predict": (
        SUMS.replace("return", "raise SystemExit(0) #"),
        "predicts",
        "PredictFailed",
        "SystemExit: 0",
    ),
    "answer": (
        SUMS.replace("sum(row)", "Predict()"),
        "json",
        "AnswerInvalid",
        "The model's answer cannot be written as JSON: predictions[0] is a iris.Predict",
    ),
    "answer that raises": (
        SUMS.replace("return", "return Lazy() #")
        + """
    class Lazy:
        def tolist(self): raise OSError("gone")
    """,
        "json",
        "AnswerInvalid",
        "which JSON cannot hold (gone)",
    ),
    "piece of a stream": (
        SUMS.replace("return [sum(row)", "yield from [Predict()"),
        "json",
        "AnswerInvalid",
        "a piece of the stream",
    ),
    "stream that fails": (
        SUMS.replace("return", "yield 1 / 0 #"),
        "json",
        "AnswerInvalid",
        "ZeroDivisionError",
    ),
}


@pytest.mark.parametrize("script", BROKEN)
def test_a_broken_script_fails_one_check_with_its_sentence(check, script):
    text, name, code, sentence = BROKEN[script]
    found = check(text, example=ROWS)
    assert found.status == 3
    assert found.failed == [name]
    assert found.checks[name]["code"] == code
    assert sentence in found.sentence(name)


def test_what_needs_a_failed_check_is_skipped_and_says_so(check):
    found = check("import cv2\n")
    states = found.states()
    assert states.pop("syntax") == "passed"
    assert states.pop("imports") == "failed"
    assert set(states.values()) == {"skipped"}
    assert found.sentence("json") == "Skipped because “The script can be imported” failed."


def test_an_example_that_is_wrong_is_told_as_such(check):
    found = check(SUMS, example="{")
    assert (found.failed, found.checks["predicts"]["code"]) == (["predicts"], "ConfigurationInvalid")
    assert "is wrong. The body is not JSON" in found.sentence("predicts")


def test_the_traceback_is_the_evidence_and_holds_only_the_user_s_frames(check):
    evidence = check(SUMS.replace("sum(row)", "row['petal']"), example=ROWS).checks["predicts"]["evidence"]
    assert "return [row['petal'] for row in inputs]" in evidence
    assert "hopyard/server" not in evidence


def test_the_class_that_is_served_is_named_with_the_others_that_would_do(check):
    found = check(KSERVE + KSERVE.replace("Sums", "More"))
    assert found.sentence("class").startswith("The class More (line ")
    assert "Sums would do too" in found.sentence("class")
    assert "The class Sums (line " in check(
        KSERVE + KSERVE.replace("Sums", "More"), CLASS_NAME="Sums"
    ).sentence("class")
