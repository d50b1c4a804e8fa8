"""The input example: predicted before the model is ready, and the proof that rows may be batched."""

import json
import re

import pytest

PROVEN = r"Batching of [\w ]+ is on: the input example proves that it may be"
ROWS = [[1.0, 2.0], [3.0, 5.0], [8.0, 13.0]]
SUMS = "return [sum(row) for row in inputs]"
CENTRED = "mean = sum(row[0] for row in inputs) / len(inputs); return [row[0] - mean for row in inputs]"
ONE_FOR_ALL = "return [sum(map(sum, inputs))]"
RANDOM = "import random; return [random.random() for _ in inputs]"
DICT = "return {'sums': [sum(row) for row in inputs]}"


def start(serve, tmp_path, example, body, annotation="", **settings):
    script = f"""
        import numpy as np
        class Predict:
            def predict(self, inputs{annotation}):
                print("asked with", len(inputs), flush=True)
                {body}
    """
    if example is not None:
        path = tmp_path / "example.json"
        path.write_text(example if isinstance(example, str) else json.dumps(example))
        settings["INPUT_EXAMPLE"] = path
    return serve(script, **settings)


def tensor(rows):
    return {"inputs": [{"name": "x", "shape": [len(rows), 2], "datatype": "FP64", "data": rows}]}


@pytest.mark.parametrize(
    ("example", "annotation"),
    [
        (ROWS, ""),
        ({"instances": ROWS}, ""),
        ({"inputs": ROWS}, ": list"),
        ({"instances": ROWS}, ": np.ndarray"),
        (tensor(ROWS), ""),
        (tensor(ROWS), ": list"),
        (ROWS[:1], ""),
        (ROWS[:1], ": np.ndarray"),
        (tensor(ROWS[:1]), ""),
    ],
)
def test_a_model_that_is_proven_rowwise_is_batched(serve, tmp_path, example, annotation):
    server = start(serve, tmp_path, example, SUMS, annotation).ready()
    assert re.search(PROVEN, server.log)


@pytest.mark.parametrize(
    ("example", "body", "reason"),
    [
        (ROWS, CENTRED, "row 0 of the input example is predicted differently together with others"),
        (ROWS[:1], CENTRED, "is predicted differently together with others"),
        (ROWS, RANDOM, "is predicted differently together with others"),
        (ROWS, ONE_FOR_ALL, "3 rows predicted together did not give 3 answers"),
        (ROWS, DICT, "did not give 3 answers"),
        (ROWS, "return 'rose'", "did not give 3 answers"),
        (ROWS, "assert len(inputs) != 1; return inputs", "failed: AssertionError"),
        ([["rose"]], "return inputs", "has one row, which proves nothing; store one with two rows or more"),
        ([[1, 2]], SUMS, "has one row, which proves nothing"),
        ([[0.0, 0.0]], SUMS, "has one row, which proves nothing"),
        ([], "return []", "has one row, which proves nothing"),
    ],
)
def test_a_model_that_is_not_proven_rowwise_is_not_batched(serve, tmp_path, example, body, reason):
    server = start(serve, tmp_path, example, body).ready()
    assert re.search(r"Batching of [\w ]+ is off: ", server.log)
    assert not re.search(PROVEN, server.log)
    assert reason in server.log


def test_a_large_answer_is_compared_exactly_where_it_is_whole(serve, tmp_path):
    body = "return [10**9 + len(inputs) for _ in inputs]"
    log = start(serve, tmp_path, ROWS, body).ready().log
    assert "is off: row 0 of the input example is predicted differently" in log


def test_what_the_order_of_additions_does_to_floats_is_forgiven(serve, tmp_path):
    body = "return [sum(row) * (1 + 1e-12 * len(inputs)) for row in inputs]"
    assert re.search(PROVEN, start(serve, tmp_path, ROWS, body).ready().log)


def test_without_an_example_nothing_is_batched(serve, tmp_path):
    server = start(serve, tmp_path, None, SUMS).ready()
    assert "Batching of" not in server.log
    assert "asked with" not in server.log


@pytest.mark.parametrize("batching", ["on", "off"])
def test_the_user_s_word_is_taken_and_the_example_predicted_once(serve, tmp_path, batching):
    server = start(serve, tmp_path, ROWS, CENTRED, BATCHING=batching).ready()
    assert server.log.count("asked with") == 1
    assert "Batching of" not in server.log


def test_several_tensors_are_asked_together_and_never_batched(serve, tmp_path):
    tensors = [{"name": name, "shape": [1], "datatype": "FP64", "data": [1]} for name in "ab"]
    server = start(serve, tmp_path, {"inputs": tensors}, "return inputs['a'] + inputs['b']").ready()
    assert "is off: the model is not asked row by row" in server.log


@pytest.mark.parametrize(
    ("example", "code", "sentence"),
    [
        ("{", "ConfigurationInvalid", "is wrong. The body is not JSON"),
        ({"rows": []}, "ConfigurationInvalid", "neither instances nor inputs"),
        (tensor(ROWS) | {"id": 5}, "ConfigurationInvalid", "The id is not a string"),
        (
            {"inputs": [tensor([])["inputs"][0] | {"shape": [7]}]},
            "ConfigurationInvalid",
            "do not fill the shape",
        ),
        ([["rose"]], "PredictFailed", "could not be predicted: TypeError"),
    ],
)
def test_an_example_that_cannot_be_predicted_ends_the_server_with_its_reason(
    serve, tmp_path, example, code, sentence
):
    failure = start(serve, tmp_path, example, SUMS).failure()
    assert failure["code"] == code
    assert sentence in failure["reason"]


def test_an_example_that_is_missing_is_told(serve, tmp_path):
    failure = start(serve, tmp_path, None, SUMS, INPUT_EXAMPLE=tmp_path / "missing.json").failure()
    assert (failure["code"], "cannot be read" in failure["reason"]) == ("ConfigurationInvalid", True)
