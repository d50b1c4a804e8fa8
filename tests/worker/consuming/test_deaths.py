"""Consumers that are killed anywhere, and several at once: nothing is lost and nothing is stored twice."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from serving.topics import folders
from tests.broker import Kafka
from tests.waiting import eventually
from tests.worker.consuming.messages import good
from worker.topics.kafka import KafkaBroker

ROOT = Path(__file__).resolve().parents[3]
TOPIC = "iris-inf0001"
TOTAL = 1600
SETUP = f"""
from accounts.models import Project
from serving.models import Serving, Topic
project = Project.objects.create(name="garden")
serving = Serving.objects.create(project=project, name="iris", port=20000)
Topic.objects.create(project=project, name="{TOPIC}", subject="inferenceschema", schema_version=5, state="ready")
"""


class Installation:
    """A platform of its own, of which only the log consumer runs."""

    def __init__(self, data: Path, like: "Installation | None" = None, **variables: str) -> None:
        self.data = data
        self._environment = os.environ | {"HOPYARD_DATA_DIR": str(data)} | variables
        self._environment.pop("HOPYARD_DATABASE_URL", None)
        self._running: list[subprocess.Popen[bytes]] = []
        if like is not None:
            shutil.copytree(like.data, data, dirs_exist_ok=True)
            return
        for words in (["migrate", "--verbosity", "0"], ["shell", "--verbosity", "0", "--command", SETUP]):
            subprocess.run(self._command(*words), env=self._environment, check=True)

    def start(self) -> None:
        with (self.data / "output").open("ab") as output:
            self._running.append(
                subprocess.Popen(
                    self._command("consume"), env=self._environment, stdout=output, stderr=output
                )
            )

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        while self._running:
            process = self._running.pop()
            with suppress(ProcessLookupError):
                process.send_signal(number)
            process.wait(30)

    def stored(self) -> int:
        return int(self.ask("SELECT COUNT(*) FROM serving_inferencerecord"))

    def ask(self, statement: str) -> str:
        with closing(sqlite3.connect(self.data / "db.sqlite3", timeout=20)) as database:
            return str(database.execute(statement).fetchone()[0])

    @staticmethod
    def _command(*words: str) -> list[str]:
        return [sys.executable, str(ROOT / "manage.py"), *words]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """One to copy: its tables take longer to make than all else."""
    return Installation(tmp_path_factory.mktemp("fresh"))


@pytest.fixture
def folder_installation(tmp_path: Path, fresh: Installation) -> Iterator[Installation]:
    found = Installation(tmp_path, fresh)
    (tmp_path / "topics" / TOPIC).mkdir(parents=True)
    yield found
    found.end()


@pytest.fixture
def kafka_installation(tmp_path: Path, fresh: Installation, kafka: Kafka) -> Iterator[Installation]:
    found = Installation(tmp_path, fresh, HOPYARD_KAFKA_BROKERS=kafka.address)
    KafkaBroker([kafka.address], {}).create(TOPIC, partitions=3, replication=1)
    yield found
    found.end()


def survives(installation: Installation, write: Callable[[list[bytes]], None], *, deaths: int) -> None:
    """Kill one after some records, so many times, while more are written; then let two go on together."""
    chance = random.Random(7)
    values = [good(1, requestId=f"n{number}") for number in range(TOTAL)]
    written = 0
    for part in range(deaths):
        until = (part + 1) * TOTAL // 8
        write(values[written:until])
        written = until
        installation.start()
        wanted = min(installation.stored() + chance.randint(1, TOTAL // 8), written)
        eventually(lambda wanted=wanted: installation.stored() >= wanted, seconds=120, what="some records")  # type: ignore[misc]
        installation.end()
    installation.start()
    installation.start()
    write(values[written:])
    eventually(lambda: installation.stored() >= TOTAL, seconds=180, what="all records")
    assert installation.stored() == TOTAL
    assert installation.ask("SELECT COUNT(DISTINCT request_id) FROM serving_inferencerecord") == str(TOTAL)
    assert installation.ask("SELECT COUNT(*) FROM serving_deadletter") == "0"
    assert installation.ask("SELECT json_extract(consumed, '$.stored') FROM serving_topic") == str(TOTAL)
    installation.end(signal.SIGTERM)


def test_killed_consumers_of_folders_lose_and_double_nothing(folder_installation: Installation) -> None:
    folder = folder_installation.data / "topics" / TOPIC

    def write(values: list[bytes]) -> None:
        for start in range(0, len(values), 100):
            folders.append(folder, f"r1-{start % 300}-1", values[start : start + 100])

    survives(folder_installation, write, deaths=3)


def test_killed_consumers_of_kafka_lose_and_double_nothing(
    kafka_installation: Installation, kafka: Kafka
) -> None:
    broker = KafkaBroker([kafka.address], {})
    # Kafka gives what a killed reader had to others after 10 s.
    survives(kafka_installation, lambda values: broker.publish(TOPIC, values), deaths=2)
