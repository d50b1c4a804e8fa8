"""Real streamers that are killed, share their work, or lose Kafka: every request is answered at least once."""

import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from serving.topics.broker import Broker, BrokerAway
from tests.broker import Kafka, running
from tests.server.conftest import serve
from tests.server.process import ServerProcess
from tests.waiting import eventually
from worker.topics.directory import DirectoryBroker
from worker.topics.kafka import KafkaBroker

__all__ = ["serve"]

ROOT = Path(__file__).parents[3]
REQUESTS = 1000
SCRIPT = """
import time

class Predict:
    def predict(self, inputs):
        time.sleep(0.002 * len(inputs))
        return [sum(each) for each in inputs]
"""


@dataclass
class Installation:
    """Streamers over a database, a broker and a replica of their own."""

    folder: Path
    broker: Broker
    brokers: str = ""
    asked: str = ""
    answered: str = ""
    started: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("HOPYARD_")}
        ours = {"HOPYARD_DATA_DIR": str(self.folder), "HOPYARD_BROKER_URL": "memory://"}
        return kept | ours | ({"HOPYARD_KAFKA_BROKERS": self.brokers} if self.brokers else {})

    def prepare(self, name: str, *addresses: str) -> None:
        self.asked, self.answered = f"{name}-in", f"{name}-out"
        for topic in (self.asked, self.answered):
            self.broker.create(topic, partitions=2, replication=1)
        words = [sys.executable, "-m", "tests.worker.streaming.stage", self.asked, self.answered, *addresses]
        subprocess.run(words, env=self.environment, cwd=ROOT, check=True)

    def start(self) -> "subprocess.Popen[bytes]":
        with (self.folder / "streamers.log").open("ab") as log:
            words = [sys.executable, "manage.py", "stream", "--at-once", "8"]
            self.started.append(
                subprocess.Popen(words, env=self.environment, cwd=ROOT, stdout=log, stderr=log)
            )
        return self.started[-1]

    def send(self, numbers: range) -> None:
        values = [json.dumps({"id": each, "inputs": [[each, 1]]}).encode() for each in numbers]
        self.broker.publish(self.asked, values)

    def answers(self) -> Counter[int]:
        """How often each request was answered; every answer is right."""
        found: Counter[int] = Counter()
        for message in self.broker.peek(self.answered, most=100_000):
            said: dict[str, Any] = json.loads(message.value or b"")
            assert said["predictions"] == [said["id"] + 1]
            found[said["id"]] += 1
        return found

    def until_answered(self, most: int, seconds: float = 90) -> None:
        def are_there() -> bool:
            time.sleep(0.2)  # what looks takes its share of the same machine
            with contextlib.suppress(BrokerAway):
                return len(self.answers()) >= most
            return False

        eventually(are_there, seconds=seconds, what=f"{most} answers")

    def close(self) -> None:
        for process in self.started:
            process.kill()
            process.wait()


@pytest.fixture(params=["folders", "kafka"])
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    if request.param == "kafka":
        found: Kafka = request.getfixturevalue("kafka")
        made = Installation(tmp_path, KafkaBroker([found.address], {}), found.address)
    else:
        made = Installation(tmp_path, DirectoryBroker(tmp_path / "topics"))
    yield made
    made.close()
    made.broker.close()  # type: ignore[attr-defined]


@pytest.fixture
def replica(serve: Callable[..., ServerProcess]) -> str:
    server = serve(SCRIPT, MODEL_NAME="iris", MAX_BATCH_SIZE=8).ready()
    return ":".join(map(str, server.address))


def test_every_request_is_answered_however_often_streamers_are_killed(
    installation: Installation, replica: str
) -> None:
    installation.prepare(f"kills-{random.randrange(10**9)}", replica)
    installation.send(range(REQUESTS))
    installation.start()
    for share in (0.1, 0.3, 0.5):
        victim = installation.started[-1]
        installation.until_answered(round(REQUESTS * share))
        installation.start()  # shares the work while the other one lives
        victim.kill()
        victim.wait()
    installation.until_answered(REQUESTS)
    answers = installation.answers()
    assert sorted(answers) == list(range(REQUESTS))
    assert answers.total() > 0


def test_a_streamer_that_is_told_to_end_leaves_nothing_to_be_answered_twice(
    installation: Installation, replica: str
) -> None:
    installation.prepare(f"ends-{random.randrange(10**9)}", replica)
    installation.send(range(REQUESTS))
    first = installation.start()
    installation.until_answered(REQUESTS // 4)
    first.terminate()
    assert first.wait(20) == 0
    installation.start()
    installation.until_answered(REQUESTS)
    assert installation.answers() == Counter(range(REQUESTS))


def test_kafka_may_be_killed_and_come_back(tmp_path: Path, replica: str) -> None:
    with running() as broker:
        made = Installation(tmp_path, KafkaBroker([broker.address], {}), broker.address)
        try:
            made.prepare("restart", replica)
            made.send(range(REQUESTS))
            made.start()
            made.until_answered(REQUESTS // 4)
            broker.kill()
            broker.start()
            made.until_answered(REQUESTS)
            made.send(range(REQUESTS, REQUESTS + 100))
            made.until_answered(REQUESTS + 100)
        finally:
            made.close()
            made.broker.close()  # type: ignore[attr-defined]
