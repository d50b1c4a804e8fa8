"""A real Kafka broker for the tests: one for each test process, made from the jars that tests/setup.sh fetched.

The fixture `kafka` is a `Kafka` that runs.
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from tests.parts import skip_or_fail
from tests.ports import free_port
from tests.waiting import eventually

JARS = Path.home() / ".cache" / "hopyard-tests" / "kafka-3.9.1"
SECONDS_TO_START = 60
HEAP = "-Xmx512m"


class Kafka:
    """One node that is broker and controller in one, on a port of its own; it keeps its messages over a restart."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        self._folder = folder
        self._config = folder / "server.properties"
        controller = free_port()
        settings = {
            "node.id": "1",
            "process.roles": "broker,controller",
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(folder / "data"),
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "broker.session.timeout.ms": "2000",  # a broker that was killed is taken back after it
            "broker.heartbeat.interval.ms": "500",
            "auto.create.topics.enable": "false",
        }
        self._config.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        self._run(
            "kafka.tools.StorageTool",
            "format",
            "--config",
            str(self._config),
            "--cluster-id",
            "aG9weWFyZC1ob3B5YXJkMQ",
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        output = (self._folder / "output").open("ab")
        with output:
            self.process = subprocess.Popen(
                [*_java(), "kafka.Kafka", str(self._config)],
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        eventually(self.answers, seconds=SECONDS_TO_START)

    def answers(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise RuntimeError((self._folder / "output").read_text()[-4000:])
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            with contextlib.suppress(KafkaError):
                admin = KafkaAdminClient(bootstrap_servers=self.address, request_timeout_ms=5000)
                admin.list_topics()
                admin.close()
                return True
        return False

    def kill(self) -> None:
        """As a crash of the machine does it."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def pause(self) -> None:
        """It keeps its connections and answers nothing, until `go_on`."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGCONT)

    def topic_name(self, stem: str = "topic") -> str:
        """A name that nobody has used."""
        return f"{stem}-{secrets.token_hex(4)}"

    def _run(self, *words: str) -> None:
        subprocess.run([*_java(), *words], check=True, capture_output=True)


@contextlib.contextmanager
def running() -> Iterator[Kafka]:
    """A broker of one's own, for tests that kill it."""
    if shutil.which("java") is None or not list(JARS.glob("kafka_2*.jar")):
        skip_or_fail("no Kafka here: tests/setup.sh fetches it")
    with tempfile.TemporaryDirectory(prefix="hopyard-kafka-") as folder:
        broker = Kafka(Path(folder))
        try:
            broker.start()
            yield broker
        finally:
            broker.kill()


@pytest.fixture(scope="session")
def kafka() -> Iterator[Kafka]:
    """A broker that all tests of this process share, and none kills."""
    with running() as broker:
        yield broker


def _java() -> list[str]:
    return ["java", "-cp", f"{JARS}/*", HEAP, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
