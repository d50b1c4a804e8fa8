"""A server that cannot serve says why, in one code, one sentence and the user's own traceback."""

import socket

import pytest

from .process import ECHO


def test_a_missing_script_names_its_path(serve):
    failure = serve(None).failure()
    assert failure["code"] == "ScriptNotFound"
    assert "iris.py" in failure["reason"]


def test_a_syntax_error_names_its_line(serve):
    failure = serve("class Predict:\n    def predict(self, inputs)\n        return inputs\n").failure()
    assert failure["code"] == "ScriptSyntaxError"
    assert "iris.py is not valid Python on line 2" in failure["reason"]
    assert "def predict(self, inputs)" in failure["evidence"]


def test_a_missing_class_names_the_ones_found(serve):
    failure = serve("from pathlib import Path\nclass Model: ...\nclass Helper: ...\n").failure()
    assert failure["code"] == "ClassMissing"
    assert "Model, Helper" in failure["reason"]
    assert "Path" not in failure["reason"]


def test_a_script_without_any_class_is_told_so(serve):
    assert "defines no class at all" in serve("x = 1").failure()["reason"]


def test_a_class_without_methods_names_the_three(serve):
    failure = serve("class Predict:\n    def infer(self, inputs): ...\n").failure()
    assert failure["code"] == "MethodMissing"
    assert "iris.py has none of the methods predict, classify and regress" in failure["reason"]


@pytest.mark.parametrize(
    ("statement", "distribution"),
    [("import cv2", "opencv-python"), ("from nosuchpackage.part import x", "nosuchpackage")],
)
def test_a_missing_package_names_what_to_add(serve, statement, distribution):
    failure = serve(f"{statement}\nclass Predict: ...\n").failure()
    assert failure["code"] == "DependencyMissing"
    assert f"add {distribution} to the environment" in failure["reason"]
    assert statement in failure["evidence"]


def test_a_missing_module_of_an_installed_package_blames_its_version(serve):
    failure = serve("import json.nosuch\nclass Predict: ...\n").failure()
    assert failure["code"] == "DependencyMissing"
    assert "The installed json has no module json.nosuch" in failure["reason"]


def test_an_error_while_importing_keeps_its_own_words(serve):
    failure = serve("def read():\n    raise RuntimeError('no licence')\nread()\n").failure()
    assert failure["code"] == "ImportFailed"
    assert "RuntimeError: no licence, raised while importing iris.py" in failure["reason"]


def test_the_evidence_holds_only_frames_of_the_user(serve):
    evidence = serve("def read():\n    1 / 0\nread()\n").failure()["evidence"]
    assert evidence.count("File ") == 2
    assert "hopyard/server" not in evidence
    assert "importlib" not in evidence


def test_the_evidence_of_a_chained_error_keeps_its_cause(serve):
    script = "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError('outer') from e\n"
    evidence = serve(script).failure()["evidence"]
    assert "ZeroDivisionError" in evidence
    assert "outer" in evidence


def test_the_evidence_is_short_enough_to_store(serve):
    failure = serve("raise ValueError('x' * 100_000)").failure()
    assert len(failure["evidence"]) <= 8 * 1024
    assert len(failure["reason"]) < 2500


def test_an_exit_in_the_script_is_caught_and_named(serve):
    failure = serve("import sys\nsys.exit(7)\n").failure()
    assert failure["code"] == "ImportFailed"
    assert "sys.exit(7) was called while importing iris.py" in failure["reason"]


@pytest.mark.parametrize("statement", ["raise ValueError('bad weights')", "raise SystemExit(2)"])
def test_an_error_while_building_is_a_failed_load(serve, statement):
    failure = serve(f"class Predict:\n    def __init__(self):\n        {statement}\n").failure()
    assert failure["code"] == "LoadFailed"
    assert "building the model of iris.py" in failure["reason"]


def test_a_missing_model_file_lists_the_files_there_are(serve, tmp_path):
    artifact = tmp_path / "artifact"
    artifact.mkdir()
    (artifact / "iris_knn.pkl").touch()
    script = "class Predict:\n    def __init__(self):\n        open('wrong.pkl')\n"
    failure = serve(script, ARTIFACT_DIR=artifact).failure()
    assert failure["code"] == "ModelFileMissing"
    assert "wrong.pkl" in failure["reason"]
    assert "the artifact has iris_knn.pkl" in failure["reason"]


def test_memory_that_runs_out_while_loading_has_its_own_code(serve):
    script = "class Predict:\n    def __init__(self):\n        raise MemoryError\n"
    assert serve(script).failure()["code"] == "OutOfMemory"


@pytest.mark.parametrize("keyword", ["def", "async def"])
@pytest.mark.parametrize(
    "body",
    [
        "raise KeyError('petal')",
        "return object()",
        "import sys; sys.exit(1)",
        "next(iter(()))",
        "import asyncio; raise asyncio.CancelledError",
    ],
)
def test_an_input_example_that_cannot_be_predicted_is_fatal(serve, tmp_path, keyword, body):
    example = tmp_path / "example.json"
    example.write_text('{"inputs": [[1, 2]]}')
    script = f"class Predict:\n    {keyword} predict(self, inputs):\n        {body}\n"
    failure = serve(script, INPUT_EXAMPLE=example).failure()
    assert failure["code"] == "PredictFailed"


@pytest.mark.parametrize("text", ["[[1, 2]]", '{"instances": [[1, 2]]}'])
@pytest.mark.parametrize("keyword", ["def", "async def"])
def test_an_input_example_is_predicted_before_ready(serve, tmp_path, text, keyword):
    example = tmp_path / "example.json"
    example.write_text(text)
    script = f"class Predict:\n    {keyword} predict(self, inputs):\n        print('seen', inputs)\n"
    assert "seen [[1, 2]]" in serve(script, INPUT_EXAMPLE=example).ready().log


def test_an_input_example_that_is_no_example_is_a_wrong_configuration(serve, tmp_path):
    assert serve(INPUT_EXAMPLE=tmp_path / "none").failure()["code"] == "ConfigurationInvalid"


@pytest.mark.parametrize("which", ["PORT", "SHARED_PORT"])
def test_a_taken_port_is_named(serve, which):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        failure = serve(**{which: port}).failure()
    assert failure["code"] == "PortUnavailable"
    assert str(port) in failure["reason"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "70000"),
        ("BATCHING", "maybe"),
        ("MAX_BATCH_SIZE", "0"),
        ("DRAIN_SECONDS", "-1"),
    ],
)
def test_a_wrong_setting_names_its_variable(serve, name, value):
    failure = serve(**{name: value}).failure()
    assert failure["code"] == "ConfigurationInvalid"
    assert f"HOPYARD_{name} is '{value}'" in failure["reason"]


def test_a_setting_that_is_no_text_names_its_variable(serve):
    failure = serve(PROJECT="caf\udce9").failure()
    assert failure["code"] == "ConfigurationInvalid"
    assert "HOPYARD_PROJECT is" in failure["reason"]


def test_a_fault_of_the_server_itself_is_reported_with_its_traceback(serve):
    failure = serve(
        "from hopyard.server.dataplane import DataPlane\nDataPlane.serve = None\n" + ECHO
    ).failure()
    assert failure["code"] == "Internal"
    assert "TypeError: 'NoneType' object is not callable" in failure["reason"]
    assert "lifecycle.py" in failure["evidence"]


def test_a_script_that_fails_when_asked_for_its_class_is_told_so(serve):
    failure = serve("def __getattr__(name):\n    raise RuntimeError(name)\n").failure()
    assert failure["code"] == "ImportFailed"
    assert "RuntimeError: Predict" in failure["reason"]


def test_a_failure_in_odd_words_can_be_read_and_stored(serve):
    failure = serve("raise ValueError(chr(0xD800) + chr(0))").failure()
    assert "ValueError: ?\ufffd, raised while" in failure["reason"]
    assert "ValueError: ?\ufffd" in failure["evidence"]


def test_a_failure_ends_the_process_although_the_script_left_a_thread_running(serve):
    script = """
        import threading
        threading.Thread(target=threading.Event().wait).start()
        raise ValueError("no")
    """
    assert serve(script).failure()["code"] == "ImportFailed"
