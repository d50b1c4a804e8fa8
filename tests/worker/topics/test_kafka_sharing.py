"""Threads that share a Kafka client: the trouble of one is not that of the others, and no client is left behind."""

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.cluster import ClusterMetadata

from serving.topics.broker import BrokerAway, BrokerError
from tests.broker import Kafka
from tests.waiting import eventually
from worker.topics import kafka_clients
from worker.topics.kafka import KafkaBroker

SENDERS = "hopyard-network-thread"


@pytest.fixture
def broker(kafka: Kafka) -> Iterator[KafkaBroker]:
    made = KafkaBroker([kafka.address], {})
    yield made
    made.close()


@pytest.fixture
def make(kafka: Kafka, broker: KafkaBroker) -> Iterator[Callable[..., str]]:
    """A topic with settings of Kafka's."""
    names: list[str] = []
    admin = KafkaAdminClient(bootstrap_servers=kafka.address)

    def create(**configs: str) -> str:
        name = kafka.topic_name()
        asked = {"num_partitions": 1, "replication_factor": 1, "configs": configs}
        admin.create_topics({name: asked})
        eventually(lambda: broker.describe([name]))
        names.append(name)
        return name

    yield create
    admin.delete_topics(names)
    admin.close()


@pytest.fixture
def stuck(make: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> str:
    """A topic whose partition has lost its leader."""
    name, leader, led = make(), ClusterMetadata.leader_for_partition, ClusterMetadata.partitions_for_broker

    def leader_of(self: ClusterMetadata, place: TopicPartition) -> int | None:
        return -1 if place.topic == name else leader(self, place)

    def led_by(self: ClusterMetadata, broker: int) -> set[TopicPartition]:
        return {place for place in led(self, broker) or () if place.topic != name}

    monkeypatch.setattr(ClusterMetadata, "leader_for_partition", leader_of)
    monkeypatch.setattr(ClusterMetadata, "partitions_for_broker", led_by)
    return name


class Publishing(threading.Thread):
    """Publishes one message, and keeps what was said."""

    def __init__(self, broker: KafkaBroker, topic: str) -> None:
        super().__init__(daemon=True)
        self._broker, self._topic = broker, topic
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self._broker.publish(self._topic, [b"one"])
        except Exception as error:
            self.error = error


def test_a_topic_that_takes_nothing_keeps_no_other_waiting(
    broker: KafkaBroker, make: Callable[..., str], stuck: str
) -> None:
    good = make()
    broker.publish(good, [b"first"])
    other = Publishing(broker, stuck)
    sent, slowest = 1, 0.0
    while other.is_alive():
        began = time.monotonic()
        broker.publish(good, [b"next"])
        sent, slowest = sent + 1, max(slowest, time.monotonic() - began)
        time.sleep(0.01)
    for _ in range(5):
        broker.publish(good, [b"next"])
    assert isinstance(other.error, BrokerAway)
    assert slowest < 4
    assert broker.describe([good])[good].messages == sent + 5


@contextlib.contextmanager
def _others_publishing(broker: KafkaBroker, topic: str) -> Iterator[list[str]]:
    """Three threads that go on sending to it meanwhile; what they are told when they may not is in the list."""
    said: list[str] = []
    stopped = threading.Event()

    def go_on() -> None:
        while not stopped.is_set():
            try:
                broker.publish(topic, [secrets.token_bytes(10_000)] * 5)
            except BrokerError as error:
                said.append(str(error))

    threads = [threading.Thread(target=go_on, daemon=True) for _ in range(3)]
    for each in threads:
        each.start()
    try:
        yield said
    finally:
        stopped.set()
        for each in threads:
            each.join(30)


def test_the_trouble_of_one_ends_no_message_of_another(
    broker: KafkaBroker, make: Callable[..., str], stuck: str
) -> None:
    first = Publishing(broker, stuck)
    eventually(lambda: broker.describe([stuck]) and stuck in broker._written)
    with _others_publishing(broker, make()) as said:
        first.join(30)
        broker.close()  # as another one's trouble once more
    assert isinstance(first.error, BrokerAway)
    assert not said


def test_a_refused_message_is_not_that_of_another(broker: KafkaBroker, make: Callable[..., str]) -> None:
    narrow, good = make(**{"max.message.bytes": "1000"}), make()
    broker.publish(good, [b"first"])
    with _others_publishing(broker, good) as said:
        for _ in range(20):
            with pytest.raises(BrokerError, match="too large"):
                broker.publish(narrow, [b"x" * 5_000])
    assert not said


def test_a_client_that_is_closed_while_a_message_waits_leaves_nothing_behind(
    broker: KafkaBroker, stuck: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, made = kafka_clients.made, []  # which are left, so that no garbage collector ends them

    def keep(*about: Any) -> Any:
        made.append(make(*about))
        return made[-1]

    monkeypatch.setattr(kafka_clients, "made", keep)
    before = {each for each in threading.enumerate() if each.name == SENDERS}

    def left() -> set[threading.Thread]:
        return {each for each in threading.enumerate() if each.name == SENDERS} - before

    waiting = Publishing(broker, stuck)
    eventually(
        lambda: any(each._accumulator.has_incomplete for each in made if isinstance(each, KafkaProducer))
    )
    broker.close()
    waiting.join(30)
    assert isinstance(waiting.error, BrokerAway)
    eventually(lambda: not left())
