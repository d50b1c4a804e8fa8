"""A server that is started again as its author edits: the script, its modules, the model's files."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from hopyard.server.config import Config
from hopyard.server.processes import reloading

from .process import eventually

ONE = "class Predict:\n    def predict(self, inputs): return 'one'\n"
SAYS = "class Predict:\n    def predict(self, inputs): return {word!r}\n"


class Edited:
    """`python -m hopyard.server iris.py --reload` in a folder."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.address_file = folder / ".address"
        self.log_file = folder / ".log"
        clean = {k: v for k, v in os.environ.items() if not k.startswith("HOPYARD_")}
        command = [sys.executable, "-m", "hopyard.server", "iris.py", "--reload", "--port", "0", *options]
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--address-file", str(self.address_file)],
                cwd=folder,
                env=clean,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def url(self, path: str) -> str:
        eventually(self.address_file.exists)
        return f"http://{self.address_file.read_text()}{path}"

    def says(self, word: str) -> bool:
        answer = httpx.post(self.url("/v1/models/iris:predict"), json={"instances": [1]}, timeout=20)
        return answer.status_code == 200 and answer.json() == {"predictions": word}


@pytest.fixture
def edited(tmp_path):
    started = []

    def start(*options, script=ONE):
        (tmp_path / "iris.py").write_text(script)
        started.append(Edited(tmp_path, *options))
        return started[-1]

    yield start
    for server in started:
        server.process.kill()
        server.process.wait()


def test_a_changed_script_is_served_and_the_port_never_refuses(edited):
    server = edited()
    eventually(lambda: server.says("one"))
    (server.folder / "iris.py").write_text(SAYS.format(word="another"))
    eventually(lambda: server.says("another"))  # a refused connection would raise
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(20) == 0


def test_a_broken_script_is_shown_on_every_path_until_it_is_mended(edited):
    server = edited()
    eventually(lambda: server.says("one"))
    (server.folder / "iris.py").write_text("raise RuntimeError('half written')\n")
    shown = eventually(lambda: broken(server, "/"))
    for path in ("/v2/health/ready", "/anything", "/v1/models/iris:predict"):
        assert broken(server, path)["code"] == shown["code"] == "ImportFailed"
    assert "half written" in shown["error"]
    assert any("iris.py" in line for line in shown["evidence"])
    assert "half written" in server.log
    (server.folder / "iris.py").write_text(SAYS.format(word="mended"))
    eventually(lambda: server.says("mended"))


def broken(server, path):
    answer = httpx.get(server.url(path))
    return answer.json() if answer.status_code == 503 and "evidence" in answer.json() else None


def test_a_script_that_is_broken_from_the_start_is_waited_for(edited):
    server = edited(script="class Predict:\n    oops\n")
    eventually(lambda: broken(server, "/"))
    (server.folder / "iris.py").write_text(SAYS.format(word="mended"))
    eventually(lambda: server.says("mended"))


def test_modules_beside_the_script_and_files_of_the_model_count(edited, tmp_path_factory):
    files = tmp_path_factory.mktemp("model")
    (files / "weights").write_text("light")
    script = (
        "import os, beside\n"
        "WORD = beside.word + open(os.environ['MODEL_FILES_PATH'] + '/weights').read()\n"
        "class Predict:\n    def predict(self, inputs): return WORD\n"
    )
    server = edited("--artifact-dir", str(files), "--workers", "2", script=script)
    eventually(lambda: broken(server, "/"))
    (server.folder / "beside.py").write_text("word = 'very '\n")
    eventually(lambda: server.says("very light"))
    (files / "weights").write_text("heavy!")
    eventually(lambda: server.says("very heavy!"))


def test_environments_caches_and_hidden_files_do_not_count(tmp_path):
    (tmp_path / "iris.py").touch()
    for folder in (".git", "__pycache__", "env", "node_modules", "package"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "module.py").touch()
    (tmp_path / "env" / "pyvenv.cfg").touch()
    (tmp_path / "notes.txt").touch()
    seen = reloading.Watch(Config(script=tmp_path / "iris.py"))._look()
    assert set(seen) == {str(tmp_path / "iris.py"), str(tmp_path / "package" / "module.py")}


def test_a_file_that_came_went_or_changed_is_named():
    before = {"/a/x.py": (1, 1), "/a/y.py": (1, 1)}
    assert reloading.difference(before, dict(before)) == ""
    assert reloading.difference(before, {**before, "/a/y.py": (1, 2)}) == "y.py"
    assert reloading.difference(before, {**before, "/a/z.py": (1, 2)}) == "z.py"
    assert reloading.difference(before, {"/a/x.py": (1, 1)}) == "y.py"


def test_the_option_is_found_where_it_is_ours():
    assert reloading.asked_for(["a.py", "--reload", "--port", "1"]) == (True, ["a.py", "--port", "1"])
    assert reloading.asked_for(["a.py", "--", "--reload"]) == (False, ["a.py", "--", "--reload"])
