"""What user code may do to the process of a pre-flight, and what the report says then."""

import json

import pytest

from ..process import ECHO, eventually
from ..test_verification import Artifact, flip

QUIET = "\nclass Predict:\n    def predict(self, inputs): return inputs\n"


def read(server):
    """The report so far, by check."""
    if not server.termination_file.exists():
        return {}
    return {each["name"]: each for each in json.loads(server.termination_file.read_text())["checks"]}


def test_a_process_that_ends_at_once_leaves_the_running_check_behind(check):
    found = check("import os\nos._exit(0)\n")
    assert found.status == 0
    assert found.states() == {
        "files": "skipped",
        "syntax": "passed",
        "imports": "running",
        **dict.fromkeys(("class", "methods", "transformer", "loads", "predicts", "json"), "waiting"),
    }


def test_a_crash_leaves_the_running_check_behind(check):
    found = check(f"{QUIET}    def __init__(self):\n        import os; os.kill(os.getpid(), 11)\n")
    assert (found.status, found.states()["loads"]) == (-11, "running")


def test_a_script_that_hangs_can_be_ended_and_the_report_says_where(start):
    server = start("import threading\nthreading.Event().wait()\n")
    eventually(lambda: read(server).get("imports", {}).get("state") == "running")
    server.process.terminate()
    server.process.wait(10)
    assert read(server)["imports"]["state"] == "running"


@pytest.mark.parametrize(
    "script",
    [
        "import sys, io\nsys.stdout = io.StringIO()\nsys.stderr = None\n",
        "import sys\nsys.stdout.close()\nsys.stderr.close()\n",
        "import os, tempfile\nos.chdir(tempfile.mkdtemp())\n",
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=False).start()\n",
        "import atexit\natexit.register(lambda: 1 / 0)\n",
        "import logging\nlogging.disable(logging.CRITICAL)\n",
    ],
    ids=[
        "streams replaced",
        "streams closed",
        "another directory",
        "a thread left",
        "a failing exit",
        "no logging",
    ],
)
def test_what_a_script_does_to_its_process_does_not_keep_it_from_being_checked(check, script):
    found = check(script + QUIET, example=[[1]])
    assert found.status == 0
    assert found.states()["json"] == "passed"


def test_what_a_script_prints_is_in_the_log(check):
    assert "hello from the script" in check(f"print('hello from the script')\n{QUIET}").log


def test_no_port_is_opened_and_no_worker_started(check, tmp_path):
    found = check(ECHO, WORKERS=4, TOPIC_DIR=tmp_path / "topics", TOPIC="calls", example=[[1]])
    assert found.status == 0
    assert "Listening" not in found.log
    assert not (tmp_path / "topics").exists()


def test_files_are_verified_first(check, tmp_path):
    artifact = Artifact(tmp_path)
    assert "3 files, 14 bytes, are those" in check(ECHO, **artifact.settings).sentence("files")
    flip(artifact.directory / "model.pkl")
    found = check(f"open({str(tmp_path / 'ran')!r}, 'w')\n{QUIET}", **artifact.settings)
    assert (found.failed, found.checks["files"]["code"]) == (["files"], "ArtifactCorrupt")
    assert found.sentence("syntax") == "Skipped because “The files are those that were registered” failed."
    assert not (tmp_path / "ran").exists()


def test_a_model_that_loads_in_the_background_is_waited_for(check):
    script = """
        from mlrun import code_to_function
        from mlrun.serving import V2ModelServer
        class Slow(V2ModelServer):
            def load(self):
                import threading
                threading.Event().wait(0.2)
            def predict(self, request):
                return request["inputs"]
        function = code_to_function("slow", kind="serving")
        function.spec.load_mode = "async"
        function.set_topology("router")
        function.add_model("m1", class_name="Slow", model_path=".")
    """
    found = check(script, example=[[1]])
    assert found.states()["json"] == "passed", found.log


def test_a_model_that_never_becomes_ready_fails_to_load(check):
    script = """
        import kserve
        class Never(kserve.Model):
            def load(self): ...
            def predict(self, payload): return payload
    """
    found = check(script)
    assert (found.failed, found.checks["loads"]["code"]) == (["loads"], "NotReady")
    assert "set self.ready" in found.sentence("loads")


def test_a_wrong_setting_is_told_as_by_a_replica(start):
    failure = start(ECHO, BATCHING="maybe").failure()
    assert failure["code"] == "ConfigurationInvalid"


def test_without_a_file_the_log_tells_everything(start):
    server = start(ECHO, TERMINATION_FILE="")
    assert server.process.wait(20) == 0
    assert "The model loads: passed" in server.log
