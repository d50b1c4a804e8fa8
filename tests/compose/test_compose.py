"""The whole platform from docker-compose.yml: started, used, hurt and stopped for real."""

import contextlib
import os
import re
import shutil
import signal
import stat
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from hopyard.client import Client, HopyardError
from tests.compose.stack import Stack
from tests.waiting import eventually

pytestmark = pytest.mark.e2e

SCRIPT = """
class Predict:
    def predict(self, inputs):
        return [sum(row) for row in inputs]
"""
QUESTION, ANSWER = {"instances": [[1, 2, 3]]}, {"predictions": [6]}
PLATFORM = ("web", "worker", "beat", "log-consumer", "streamer")


def test_nothing_starts_before_there_are_passwords(stack: Stack, tmp_path: Path) -> None:
    shutil.copy(stack.folder / "docker-compose.yml", tmp_path)
    refused = replace(stack, folder=tmp_path).run("up", "-d", check=False)
    assert refused.returncode
    assert "make compose-env" in refused.stderr


def test_passwords_are_long_different_and_for_the_owner_alone(stack: Stack) -> None:
    file = stack.folder / ".env"
    secrets = re.findall(r"^(?:HOPYARD_SECRET_KEY|\w+_PASSWORD)=(\w+)$", file.read_text(), re.MULTILINE)
    assert len(set(secrets)) == 3
    assert min(map(len, secrets)) >= 48
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_text()
    stack.prepare()
    assert set(re.findall(r"\w{48,}", file.read_text())) == set(re.findall(r"\w{48,}", before))


def test_all_of_it_is_healthy(stack: Stack) -> None:
    assert stack.health() == dict.fromkeys(
        ["postgres", "redis", "kafka", "haproxy", *PLATFORM], "healthy"
    ) | {"prepare": "exited"}


def test_only_the_proxy_is_reached_from_outside_and_only_two_reach_the_engine(stack: Stack) -> None:
    services = [*stack.health()]
    published = {name for name in services if stack.container(name).attrs["HostConfig"]["PortBindings"]}
    sockets = {
        name
        for name in services
        if any(mount["Source"].endswith("docker.sock") for mount in stack.container(name).attrs["Mounts"])
    }
    assert published == {"haproxy"}
    assert sockets == {"worker", "log-consumer"}


def test_no_container_may_more_than_it_needs(stack: Stack) -> None:
    for name in stack.health():
        asked = stack.container(name).attrs["HostConfig"]
        assert asked["CapDrop"] == ["ALL"], name
        assert asked["SecurityOpt"] == ["no-new-privileges:true"], name
        assert asked["ReadonlyRootfs"] or name == "kafka", name
        uid = stack.container(name).exec_run(["id", "-u"]).output if name != "prepare" else b"10000"
        assert int(uid) != 0, name


def test_what_replicas_share_a_network_with_holds_no_data(stack: Stack) -> None:
    network = stack.engine.networks.get(stack.values["HOPYARD_REPLICA_NETWORK"])
    assert network.attrs["Internal"]
    names = {each["Name"] for each in network.attrs["Containers"].values()}
    services = {name for name in stack.health() if stack.container(name).name in names}
    assert services == {"web", "worker", "streamer", "haproxy"}


IN_KAFKA = """
from serving.models import Topic
from worker.topics.kafka import KafkaBroker
from django.conf import settings
broker = KafkaBroker(settings.KAFKA_BROKERS, settings.KAFKA_OPTIONS)
for name, found in broker.describe(list(Topic.objects.values_list("name", flat=True))).items():
    if found.messages:
        print(name, found.messages)
broker.close()
"""
LOOK = """
import sys, urllib.error, urllib.request
for url in sys.argv[1:]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            print(url, answer.status)
    except urllib.error.HTTPError as error:
        print(url, error.code)
    except OSError:
        print(url, "nobody")
"""


def test_a_replica_finds_its_documents_and_no_page_and_no_statistics(stack: Stack) -> None:
    pages = [
        f"http://web:{port}{path}"
        for port in (8000, 8001)
        for path in ("/", "/sign-in/", "/api/", "/health/")
    ]
    statistics = ["http://haproxy:8404/", "http://haproxy:8404/metrics"]
    documents = "http://web:8001/replicas/demo-sums-1/predictors/1/"
    output = stack.engine.containers.run(
        stack.container("web").image,
        ["python", "-c", LOOK, *pages, *statistics, documents],
        network=stack.values["HOPYARD_REPLICA_NETWORK"],
        remove=True,
    )
    found = dict(line.split(" ") for line in output.decode().splitlines())
    assert found.pop(documents) == "401", "it asks for a serving's token there"
    assert found == {url: "404" if ":8001" in url else "nobody" for url in [*pages, *statistics]}


def test_redis_asks_for_the_password_and_shows_it_to_nobody(stack: Stack) -> None:
    redis = stack.container("redis")
    asked = redis.exec_run(["redis-cli", "ping"], environment={"REDISCLI_AUTH": ""}).output.decode()
    assert "NOAUTH" in asked
    secret = re.search(r"^REDIS_PASSWORD=(\w+)$", (stack.folder / ".env").read_text(), re.MULTILINE)
    assert secret is not None
    assert secret[1] not in str(redis.top())


def test_the_first_administrator_signs_in_through_the_proxy(stack: Stack) -> None:
    found = re.search(
        r"Sign in as admin with the password (\S+)", stack.run("logs", "--no-color", "prepare").stdout
    )
    assert found is not None
    with httpx.Client(base_url=stack.url, follow_redirects=True) as browser:
        page = browser.get("/").text
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        assert token is not None
        form = {"csrfmiddlewaretoken": token[1], "username": "admin", "password": found[1]}
        answer = browser.post("/sign-in/", data=form, headers={"Referer": stack.url})
        assert answer.is_success
        assert "Sign out" in answer.text


@pytest.fixture(scope="module")
def key(stack: Stack) -> str:
    found = re.search(r"hop_\w+", stack.manage("createkey", "demo", "admin"))
    assert found is not None
    return found[0]


@pytest.fixture(scope="module")
def client(stack: Stack, key: str) -> Iterator[Client]:
    with Client(stack.url, key, "demo", timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def serving(client: Client, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("sums")
    (folder / "predictor.py").write_text(SCRIPT)
    version = client.models.export(folder, "sums")
    client.servings.create_or_update("sums", f"{version.path}/predictor.py")
    client.servings.start("sums")
    eventually(lambda: client.servings.get("sums").status in {"Running", "Failed"}, seconds=600)
    assert client.servings.get("sums").status == "Running", client.servings.get("sums").failure
    return "sums"


def test_a_model_is_served_by_a_container_behind_the_proxy(
    stack: Stack, client: Client, serving: str
) -> None:
    assert client.servings.predict(serving, QUESTION) == ANSWER
    (replica,) = [each for each in stack.replicas() if each.status == "running"]
    assert replica.attrs["Config"]["Image"].startswith("hopyard/environment:")
    assert [*replica.attrs["NetworkSettings"]["Networks"]] == [stack.values["HOPYARD_REPLICA_NETWORK"]]


def test_its_own_port_is_published_too(client: Client, serving: str, key: str) -> None:
    headers = {"Authorization": f"ApiKey {key}"}
    answer = httpx.post(f"{client.servings.get(serving).direct_url}:predict", json=QUESTION, headers=headers)
    assert answer.json() == ANSWER


def test_calls_and_output_come_back_to_the_platform(
    stack: Stack, client: Client, serving: str, key: str
) -> None:
    client.servings.predict(serving, QUESTION)
    topic = re.compile(rf"^{serving}-inf\d{{4}} (\d+)$", re.MULTILINE)
    eventually(lambda: topic.search(stack.manage("shell", "-c", IN_KAFKA)), what="a record in Kafka")
    records = f"{stack.url}/api/projects/demo/servings/{serving}/inference-records/"
    headers = {"Authorization": f"ApiKey {key}"}
    eventually(lambda: httpx.get(records, headers=headers).json()["items"], what="an inference record")
    eventually(lambda: "Ready" in str(client.servings.logs(serving)), what="the replica's output")


@contextlib.contextmanager
def under_load(client: Client, serving: str) -> Iterator[Counter[str]]:
    """Ask all the time; what came that was not the right answer is counted."""
    is_over, seen = threading.Event(), Counter[str]()

    def ask() -> None:
        while not is_over.is_set():
            try:
                seen["right" if client.servings.predict(serving, QUESTION) == ANSWER else "wrong"] += 1
            except Exception as error:
                seen[str(error)] += 1

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield seen
    finally:
        is_over.set()
        asking.join()


def test_a_restarted_redis_costs_no_answer_and_no_wish(stack: Stack, client: Client, serving: str) -> None:
    with under_load(client, serving) as seen:
        stack.run("stop", "redis")
        client.servings.scale(serving, 2)  # kept in the database; beat's next round finds it
        stack.run("start", "redis")
        eventually(lambda: client.servings.get(serving).replicas_ready == 2, seconds=90)
    assert [*seen] == ["right"], seen


def test_a_killed_worker_comes_back_and_heals(stack: Stack, client: Client, serving: str) -> None:
    worker = stack.container("worker")
    with under_load(client, serving) as seen:
        os.kill(_celery(worker.attrs["State"]["Pid"]), signal.SIGKILL)
        eventually(lambda: stack.container("worker").attrs["RestartCount"] == 1, seconds=60)
    assert [*seen] == ["right"], seen
    lost = next(each for each in stack.replicas() if each.status == "running")
    lost.kill()
    eventually(lambda: client.servings.get(serving).replicas_ready == 2, seconds=90)
    assert lost.id not in {each.id for each in stack.replicas() if each.status == "running"}


def _celery(init: int) -> int:
    """The one child of the container's init."""
    with open(f"/proc/{init}/task/{init}/children") as children:  # noqa: PTH123
        return int(children.read().split()[0])


def test_a_new_web_is_found_by_the_proxy(stack: Stack) -> None:
    stack.run("up", "-d", "--force-recreate", "--no-deps", "web")
    eventually(stack.answers, seconds=60, what="the web behind the proxy")


def test_replicas_end_when_they_are_told_to(stack: Stack, client: Client, serving: str) -> None:
    stack.run("stop", "beat", "worker")
    stack.run("run", "--rm", "--no-deps", "-T", "worker", "python", "manage.py", "endreplicas")
    assert not [each for each in stack.replicas() if each.status == "running"]
    stack.run("start", "worker", "beat")
    eventually(lambda: _answers(client, serving), seconds=120, what="replicas anew")


def _answers(client: Client, serving: str) -> bool:
    """Nothing is promised to callers while replicas are away; they are told so, or their connection ends."""
    try:
        return bool(client.servings.predict(serving, QUESTION) == ANSWER)
    except HopyardError:
        return False
