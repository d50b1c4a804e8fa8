"""`hopyard serve`, as a first user meets it: a real server, what it says when ready, and its complaints."""

import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from hopyard import cli
from hopyard.serving_here import server_arguments
from tests.server.process import eventually

SCRIPT = """
import sys
class Predict:
    def predict(self, inputs):
        return [inputs, sys.argv[1:]]
"""
Start = Callable[..., tuple["subprocess.Popen[bytes]", Path]]


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "iris.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def starting(*arguments: str) -> tuple["subprocess.Popen[bytes]", Path]:
        log = tmp_path / "log"
        clean = {k: v for k, v in os.environ.items() if not k.startswith("HOPYARD_")}
        command = [sys.executable, "-c", "from hopyard.cli import main; main()", "serve", *arguments]
        with log.open("wb") as file:
            process = subprocess.Popen(
                command, stdout=file, stderr=subprocess.STDOUT, cwd=tmp_path, env=clean
            )
        started.append(process)
        return process, log

    yield starting
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("options", [(), ("--workers", "2"), ("--reload",)])
def test_the_line_it_shows_when_ready_can_be_pasted(
    start: Start, script: Path, options: tuple[str, ...]
) -> None:
    process, log = start(str(script), "--port", "0", *options, "--", "--threshold", "0.5")
    line = str(eventually(lambda: next((x for x in log.read_text().splitlines() if "curl " in x), "")))
    answer = subprocess.run(shlex.split(line), check=True, capture_output=True, timeout=20).stdout
    assert answer.startswith(b'{"predictions":[[[1,2,3,4]],["--threshold","0.5"')
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert "Traceback" not in log.read_text()


def test_options_of_kserve_are_those_of_the_server_and_of_the_script(start: Start, script: Path) -> None:
    _, log = start(str(script), "--http_port", "0", "--model_name", "rose")
    eventually(lambda: "curl " in log.read_text())
    url = next(word for word in log.read_text().split() if word.endswith("rose:predict"))
    seen = httpx.post(url, json={"instances": [1]}).json()["predictions"][1]
    assert seen == ["--http_port", "0", "--model_name", "rose"]


def test_the_input_example_is_what_the_shown_line_sends(start: Start, script: Path, tmp_path: Path) -> None:
    (tmp_path / "my example.json").write_text('{"instances": [7]}')
    _, log = start(str(script), "--port", "0", "--input-example", "my example.json")
    line = str(eventually(lambda: next((x for x in log.read_text().splitlines() if "curl " in x), "")))
    answer = subprocess.run(shlex.split(line), check=True, capture_output=True, cwd=tmp_path, timeout=20)
    assert answer.stdout == b'{"predictions":[[7],[]]}'


def test_every_option_becomes_one_of_the_server() -> None:
    given = {"model_name": "iris", "workers": 2, "class_name": None, "kserve_http_port": "80", "reload": True}
    assert server_arguments("a.py", given, ("--x", "1")) == (
        ["a.py", "--model-name", "iris", "--workers", "2", "--http_port", "80", "--reload", "--", "--x", "1"]
    )


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_taken_port_is_one_sentence(start: Start, script: Path, workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process, log = start(str(script), "--port", str(port), "--workers", workers)
        assert process.wait(20) == 3
    lines = log.read_text().splitlines()
    assert len(lines) == 1
    assert f"Port {port} on 127.0.0.1 cannot be used" in lines[0]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["none.py"], "File 'none.py' does not exist"),
        (["{script}", "--prot", "80"], "No such option '--prot'"),
        (["{script}", "--workers", "none"], "'none' is not a valid integer"),
        (["{script}", "--batching", "maybe"], "'maybe' is not one of"),
        (["{script}", "--model-dir", "nowhere"], "Directory 'nowhere' does not exist"),
    ],
)
def test_a_wrong_word_is_one_sentence(script: Path, words: list[str], sentence: str) -> None:
    result = CliRunner().invoke(cli.main, ["serve", *(word.format(script=script) for word in words)])
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_a_transformer_stands_before_the_script(start: Start, script: Path, tmp_path: Path) -> None:
    transformer = tmp_path / "doubling.py"
    transformer.write_text(
        "class Transformer:\n    def preprocess(self, inputs):\n        return {'instances': inputs['instances'] * 2}\n"
    )
    _, log = start(str(script), "--transformer", str(transformer), "--port", "0")
    ready = eventually(lambda: next((line for line in log.read_text().splitlines() if "curl" in line), ""))
    url = shlex.split(ready)[1]
    assert httpx.post(url, json={"instances": [1]}).json()["predictions"][0] == [1, 1]
