"""The base and an environment's image, built at a real engine; what goes wrong has a reason."""

import dataclasses
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from serving.environments import locks
from tests.waiting import eventually
from tests.worker.images.conftest import PYTHON, forget
from worker.environments.problems import EnvironmentProblem
from worker.images import build, engine, host, names
from worker.images.build import Order

SCRIPT = "class Predict:\n    def predict(self, inputs):\n        return [sum(row) for row in inputs]\n"
HARDENED: dict[str, Any] = {
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "tmpfs": {"/tmp": "size=16m", "/hopyard/work": "size=16m,uid=10001"},
    "pids_limit": 128,
    "mem_limit": "512m",
}


@pytest.fixture
def container(docker_engine: docker.DockerClient, small_image: str, tmp_path: Path) -> Iterator[Any]:
    script = tmp_path / "adder.py"
    script.write_text(SCRIPT)
    for path in (script, *script.parents[:3]):
        path.chmod(path.stat().st_mode | 0o055)
    made = docker_engine.containers.run(
        small_image,
        ["hopyard", "serve", "/hopyard/artifact/adder.py"],
        volumes={str(script): {"bind": "/hopyard/artifact/adder.py", "mode": "ro"}},
        labels=names.labels(),
        detach=True,
        **HARDENED,
    )
    yield made
    made.remove(force=True)


def test_an_image_runs_hardened_and_predicts(container: Any) -> None:
    def answer() -> Any:
        container.reload()
        assert container.status == "running", container.logs().decode()
        address = container.attrs["NetworkSettings"]["IPAddress"]
        url = f"http://{address}:8080/v1/models/adder:predict"
        body = json.dumps({"instances": [[1, 2], [3, 4]]}).encode()
        try:
            with urllib.request.urlopen(url, body, timeout=5) as response:
                return json.load(response)
        except OSError:
            return None

    assert eventually(answer, what="a prediction") == {"predictions": [3, 7]}
    assert container.exec_run("id -u").output.strip() == b"10001"
    container.stop(timeout=10)
    assert container.wait()["StatusCode"] == 0


def test_nothing_in_it_installs_or_compiles(container: Any) -> None:
    for tool in ("pip", "pip3", "uv", "gcc", "cc"):
        assert container.exec_run(["sh", "-c", f"command -v {tool}"]).exit_code != 0, tool
    for module in ("pip", "ensurepip", "setuptools", "django", "celery"):
        assert container.exec_run(["python", "-c", f"import {module}"]).exit_code != 0, module
    assert container.exec_run(["python", "-c", "import uvloop, hopyard.server.lifecycle"]).exit_code == 0


def test_an_image_has_the_packages_of_its_lock_and_the_labels_of_its_maker(
    docker_engine: docker.DockerClient, small_image: str, order: Order
) -> None:
    found = engine.find(docker_engine, small_image)
    assert found is not None
    assert found.labels == order.labels
    code = "import importlib.metadata as m; print(*sorted(d.name.lower().replace('_', '-') for d in m.distributions()))"
    command = ["python", "-c", code]
    said = docker_engine.containers.run(small_image, command, remove=True, **HARDENED).decode().split()
    assert set(said) == {each.name for each in locks.packages(order.lock, PYTHON)} | {"hopyard"}


def test_a_second_build_takes_what_is_there(
    docker_engine: docker.DockerClient, small_image: str, order: Order
) -> None:
    said: list[str] = []
    built = build.build(docker_engine, order, said.append)
    assert (built.reference, [line for line in said if line]) == (small_image, [])


def broken(order: Order, lock: str, **changes: Any) -> Order:
    return dataclasses.replace(order, lock=lock, key=locks.key(PYTHON, lock), **changes)


def problem_of(client: docker.DockerClient, order: Order) -> EnvironmentProblem:
    with engine.in_our_words(host.engine_url()), pytest.raises(EnvironmentProblem) as caught:
        build.build(client, order, lambda line: None)
    assert engine.find(client, order.reference) is None
    return caught.value


def test_a_hash_that_is_not_that_of_the_index_builds_nothing(
    docker_engine: docker.DockerClient, order: Order
) -> None:
    lock = f"six==1.16.0 --hash=sha256:{'0' * 64}\n"
    problem = problem_of(docker_engine, broken(order, lock))
    assert (problem.code, "six" in problem.evidence) == ("HashMismatch", True)


def test_packages_that_the_model_server_cannot_live_with_are_said_to_be_that(
    docker_engine: docker.DockerClient, order: Order
) -> None:
    six = "six==1.16.0 --hash=sha256:8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254\n"
    wrong = broken(order, six)
    problem = problem_of(docker_engine, wrong)
    forget(docker_engine, build.packages_of(wrong))
    assert problem.code == "ModelServerBroken"
    assert "No module named" in problem.reason


def test_text_of_a_lock_reaches_no_shell_and_no_dockerfile(
    docker_engine: docker.DockerClient, order: Order
) -> None:
    lock = "six==1.16.0 ; $(touch /tmp/was-here) `touch /tmp/was-here`\nRUN touch /tmp/was-here # && id\n"
    wrong = broken(order, lock)
    recipe = build.recipe_of_packages(wrong, "tools")
    assert all(b"was-here" not in recipe.files[name] for name in recipe.files if name != "lock.txt")
    assert "was-here" not in repr((recipe.name, recipe.arguments, recipe.labels, recipe.dockerfile))
    problem = problem_of(docker_engine, wrong)
    assert problem.code == "BuildFailed"
    assert "$(touch" in problem.reason  # as it was written


def test_a_strangers_image_of_that_name_is_left_alone(
    docker_engine: docker.DockerClient, small_image: str, order: Order
) -> None:
    other = broken(order, order.lock + "# other\n")
    docker_engine.images.get(order.sources.python_image).tag(other.reference)
    try:
        with pytest.raises(EnvironmentProblem) as caught:
            build.build(docker_engine, other, lambda line: None)
        kept = docker_engine.images.get(other.reference)
        assert kept.id == docker_engine.images.get(order.sources.python_image).id
    finally:
        docker_engine.images.remove(other.reference)
    assert caught.value.code == "ForeignImage"


def test_a_python_image_that_cannot_be_had_is_named_with_the_way_to_have_it(
    docker_engine: docker.DockerClient, order: Order
) -> None:
    sources = dataclasses.replace(order.sources, python_image="hopyard.invalid/python:3.11-none")
    problem = problem_of(docker_engine, dataclasses.replace(order, sources=sources))
    assert problem.code == "BaseImageMissing"
    assert "docker pull hopyard.invalid/python:3.11-none" in problem.reason


def test_an_engine_that_is_not_there_is_said_to_be_not_there() -> None:
    with pytest.raises(EnvironmentProblem) as caught, engine.connected("unix:///nonexistent/docker.sock"):
        pass
    assert caught.value.code == "EngineUnreachable"
    assert "does not answer at unix:///nonexistent/docker.sock; start it" in caught.value.reason
