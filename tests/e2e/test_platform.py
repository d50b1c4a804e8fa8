"""From an empty folder to a running prediction, and through everything that may die on the way."""

import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Platform, processes_in
from tests.waiting import eventually

pytestmark = pytest.mark.e2e

QUESTION = {"instances": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]}
ANSWER = {"predictions": [0, 2]}


class Demo:
    """What `make demo` printed, and the API as its user sees it."""

    def __init__(self, platform: Platform, output: str) -> None:
        self.platform = platform
        self.output = output
        self.commands = re.findall(r"Ask it:\s+(curl .*)", output)
        key = re.search(r"ApiKey (hop_\w+)", output)
        assert key is not None
        self.key = key[1]
        self.client = httpx.Client(
            base_url=f"{platform.url}/api/projects/demo/servings/IrisFlowerClassifier",
            headers={"Authorization": f"ApiKey {key[1]}"},
        )

    def get(self, path: str = "/") -> Any:
        return self.client.get(path).raise_for_status().json()

    def replicas(self) -> list[dict[str, Any]]:
        """The ready ones, without what changes while they run."""
        ready = [each for each in self.get("/replicas/")["items"] if each["state"] == "Ready"]
        return [{name: value for name, value in each.items() if name != "log_counts"} for each in ready]

    def answers_everywhere(self) -> bool:
        return all(curl(command) == ANSWER for command in self.commands)

    def rows(self) -> tuple[list[int], set[int], set[str]]:
        """Revisions, events and inference records: what must never be lost."""
        return (
            [each["revision"] for each in self.get("/revisions/")["items"]],
            {each["id"] for each in self.get("/events/")["items"]},
            {each["request_id"] for each in self.get("/inference-records/")["items"]},
        )


def curl(command: str) -> Any:
    words = [*shlex.split(command), "--silent"]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=60)
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError:
        return done.stdout


@pytest.fixture(scope="module")
def demo(platform: Platform) -> Iterator[Demo]:
    done = platform.make("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    demo = Demo(platform, done.stdout)
    yield demo
    demo.client.close()


def test_the_demo_trains_serves_and_predicts(demo: Demo) -> None:
    assert f"Answer {json.dumps(ANSWER)}" in demo.output
    assert "IrisFlowerClassifier is Running" in demo.output
    assert len(demo.commands) == 2


def test_the_printed_curl_lines_work_when_pasted(demo: Demo) -> None:
    assert [curl(command) for command in demo.commands] == [ANSWER, ANSWER]


def test_both_addresses_ask_for_the_key(demo: Demo) -> None:
    for command in demo.commands:
        assert curl(re.sub(r"hop_\w+", "hop_wrong_key", command))["code"] == "NotAuthenticated"


def test_the_demo_plays_a_second_time_as_a_new_version(platform: Platform, demo: Demo) -> None:
    done = platform.make("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Answer {json.dumps(ANSWER)}" in done.stdout
    assert demo.get()["model_version"] == 2
    assert demo.get()["revision"] == 2


def test_what_was_asked_is_in_the_inference_log(demo: Demo) -> None:
    def found() -> Any:
        return [
            each
            for each in demo.get("/inference-records/")["items"]
            if json.loads(each["inputs"]) == QUESTION
        ]

    record = eventually(found)[0]
    assert json.loads(record["outputs"]) == ANSWER
    assert record["key_id"]


def test_a_revoked_key_is_refused_on_the_direct_port_within_seconds(platform: Platform, demo: Demo) -> None:
    said = {"username": "admin", "password": platform.password, "project": "demo"}
    made = httpx.post(f"{platform.url}/api/login/", json=said).raise_for_status().json()
    command = re.sub(r"hop_\w+", made["key"], demo.commands[1])
    eventually(lambda: curl(command) == ANSWER, seconds=10)
    itself = f"{platform.url}/api/projects/demo/api-keys/{made['id']}/"
    httpx.delete(itself, headers={"Authorization": f"ApiKey {made['key']}"}).raise_for_status()
    eventually(lambda: curl(command) != ANSWER, seconds=10)
    assert curl(demo.commands[1]) == ANSWER


def test_a_question_in_chunks_is_answered_under_the_platforms_address(demo: Demo) -> None:
    url = demo.get()["url"] + ":predict"
    pieces = iter([json.dumps(QUESTION).encode()])
    answer = httpx.post(url, content=pieces, headers=demo.client.headers)
    assert answer.json() == ANSWER
    refused = demo.client.post("/start/", content=iter([b"{}"]))
    assert (refused.status_code, refused.json()["error"]["code"]) == (411, "length_required")


def test_the_data_is_for_nobody_else_on_the_machine(platform: Platform, demo: Demo) -> None:
    data = platform.folder / "var"
    assert data.stat().st_mode & 0o077 == 0
    assert (data / "db.sqlite3").stat().st_mode & 0o077 == 0


def test_the_story_in_the_readme_runs_as_it_is_written(
    platform: Platform, demo: Demo, tmp_path: Path
) -> None:
    script, story = re.findall(r"```python\n(.*?)```", (platform.folder / "README.md").read_text(), re.DOTALL)
    (tmp_path / "iris").mkdir()
    (tmp_path / "iris" / "iris_flower_classifier.py").write_text(script)
    train = (
        "import joblib, sklearn.datasets as d, sklearn.neighbors as n; "
        "joblib.dump(n.KNeighborsClassifier().fit(*d.load_iris(return_X_y=True)), 'iris/iris_knn.pkl')"
    )
    *first, last = story.strip().splitlines()
    python = platform.folder / ".venv-replica" / "bin" / "python"
    environment = platform.environment | {
        "HOPYARD_URL": platform.url,
        "HOPYARD_API_KEY": demo.key,
        "HOPYARD_PROJECT": "demo",
    }
    code = "\n".join([train, *first, f"print({last})"])
    done = subprocess.run(
        [python, "-c", code], cwd=tmp_path, env=environment, check=False, capture_output=True, text=True
    )
    assert done.stdout.strip() == "{'predictions': [0]}", done.stderr


def test_a_killed_replica_is_replaced(demo: Demo) -> None:
    before, replica = demo.rows(), demo.replicas()[0]
    os.kill(int(replica["place"].removeprefix("pid ")), signal.SIGKILL)
    eventually(lambda: [each["name"] for each in demo.replicas()] not in ([], [replica["name"]]), seconds=60)
    eventually(demo.answers_everywhere)
    assert_nothing_lost(before, demo.rows())


def test_a_killed_worker_comes_back_and_goes_on(platform: Platform, demo: Demo) -> None:
    before, replica = demo.rows(), demo.replicas()[0]
    worker = platform.children("config worker")[0]
    os.kill(worker, signal.SIGKILL)
    assert demo.answers_everywhere(), "the replicas need no worker"
    os.kill(int(replica["place"].removeprefix("pid ")), signal.SIGKILL)
    eventually(lambda: [each["name"] for each in demo.replicas()] not in ([], [replica["name"]]), seconds=60)
    eventually(demo.answers_everywhere)
    assert worker not in platform.children("config worker")
    assert_nothing_lost(before, demo.rows())


def test_a_killed_web_process_comes_back(platform: Platform, demo: Demo) -> None:
    before = demo.rows()
    for pid in platform.children("gunicorn"):
        os.kill(pid, signal.SIGKILL)
    assert curl(demo.commands[1]) == ANSWER, "the direct port needs no web process"
    eventually(platform.answers, seconds=60)
    eventually(demo.answers_everywhere)
    assert_nothing_lost(before, demo.rows())


def test_a_second_platform_on_the_same_data_is_refused(platform: Platform) -> None:
    done = platform.make("up")
    assert done.returncode != 0
    assert "is running already" in done.stderr


def test_ctrl_c_stops_everything_and_the_next_start_brings_wanted_servings_back(
    platform: Platform, demo: Demo
) -> None:
    before, port = demo.rows(), demo.get()["port"]
    platform.stop()
    assert not processes_in(platform.folder)
    platform.start()
    assert "Sign in as" not in platform.output, "the password is shown once"
    eventually(lambda: demo.replicas() and demo.answers_everywhere(), seconds=60)
    assert demo.get()["port"] == port
    assert demo.get()["failure"] is None
    assert_nothing_lost(before, demo.rows())


def test_a_supervisor_that_was_killed_leaves_predictions_working_and_is_followed_by_a_new_one(
    platform: Platform, demo: Demo
) -> None:
    before, replicas = demo.rows(), demo.replicas()
    os.kill(platform.supervisor, signal.SIGKILL)
    assert platform.process is not None
    platform.process.wait(30)
    assert curl(demo.commands[1]) == ANSWER
    eventually(lambda: not platform.children("gunicorn") and not platform.children("celery"))
    platform.start()
    eventually(demo.answers_everywhere)
    assert demo.replicas() == replicas
    assert_nothing_lost(before, demo.rows())


def assert_nothing_lost(before: tuple[Any, ...], after: tuple[Any, ...]) -> None:
    revisions, events, records = before
    assert after[0] == revisions
    assert events <= after[1]
    assert records <= after[2]


def test_the_readme_commands_exist(platform: Platform) -> None:
    done = platform.make("help")
    for target in ("up", "demo", "test", "check"):
        assert f"make {target} " in done.stdout
