"""What waits in files for Kafka is sent in order, once the broker can be reached, and removed."""

import fcntl
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.management import call_command

from serving.models import DeadLetter, Topic, TopicOffset
from serving.topics import outbox
from serving.topics.broker import BrokerAway
from tests import broker
from tests.broker import Kafka
from worker.consuming import consumer, forwarding
from worker.topics import installed
from worker.topics.kafka import KafkaBroker

pytestmark = pytest.mark.django_db(transaction=True)

Make = Callable[..., Topic]


@pytest.fixture
def there(kafka: Kafka, folder: Path, settings) -> Iterator[KafkaBroker]:
    settings.KAFKA_BROKERS = [kafka.address]
    found = installed.broker()
    assert isinstance(found, KafkaBroker)
    yield found
    found.close()


@pytest.fixture
def topic(there: KafkaBroker, kafka: Kafka, register: Make) -> Topic:
    name = kafka.topic_name()
    there.create(name, partitions=1, replication=1)
    return register(name)


def values(there: KafkaBroker, topic: Topic) -> list[bytes | None]:
    """All messages of the topic, the oldest first."""
    return [each.value for each in reversed(there.peek(topic.name, most=10_000))]


def waiting(settings) -> list[Path]:
    return [path for path in settings.OUTBOX_DIR.glob("*/*") if path.is_file()]


def test_messages_of_the_web_arrive_in_order_and_their_file_goes(
    there: KafkaBroker, topic: Topic, settings
) -> None:
    wanted = [b"%d" % number for number in range(300)]
    for start in range(0, 300, 100):
        outbox.put(topic.name, "web", wanted[start : start + 100])
    assert forwarding.forward(there) == 300
    assert values(there, topic) == wanted
    assert not waiting(settings)
    assert not TopicOffset.objects.exists()
    outbox.put(topic.name, "web", [b"later"])
    assert forwarding.forward(there) == 1
    assert values(there, topic)[-1] == b"later"


def test_large_files_are_sent_in_pieces(
    there: KafkaBroker, topic: Topic, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "CHUNK_BYTES", 1000)
    wanted = [b"%d" % number * 700 for number in range(30)]
    outbox.put(topic.name, "web", wanted)
    forwarding.forward(there)
    assert values(there, topic) == wanted


def test_the_file_of_a_replica_that_lives_is_left_alone(there: KafkaBroker, topic: Topic, settings) -> None:
    outbox.put(topic.name, "r1-0-1", [b"spilled"])
    (path,) = waiting(settings)
    with path.open("rb") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        assert forwarding.forward(there) == 0
    assert forwarding.forward(there) == 1
    assert values(there, topic) == [b"spilled"]


def test_a_broker_that_is_away_is_sent_to_later(folder: Path, register: Make, settings) -> None:
    with broker.running() as own:
        settings.KAFKA_BROKERS = [own.address]
        there = installed.broker()
        there.create("late-inf0001", partitions=1, replication=1)
        register("late-inf0001")
        outbox.put("late-inf0001", "web", [b"1", b"2"])
        own.kill()
        with pytest.raises(BrokerAway):
            forwarding.forward(there)
        assert waiting(settings)
        own.start()
        assert forwarding.forward(there) == 2
        assert [each.value for each in there.peek("late-inf0001", most=10)][::-1] == [b"1", b"2"]
        there.close()


def test_what_was_sent_before_a_death_is_not_sent_again(
    there: KafkaBroker, topic: Topic, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "CHUNK_BYTES", 1000)
    outbox.put(topic.name, "web", [b"%d" % number * 700 for number in range(5)])
    publish, calls = there.publish, []

    def dies_at_the_third(name: str, sent: list[bytes]) -> None:
        calls.append(sent)
        if len(calls) == 3:
            raise BrokerAway("BrokerAway", "It has gone away.")
        publish(name, sent)

    monkeypatch.setattr(there, "publish", dies_at_the_third)
    with pytest.raises(BrokerAway):
        forwarding.forward(there)
    monkeypatch.setattr(there, "publish", publish)
    forwarding.forward(there)
    assert values(there, topic) == [b"%d" % number * 700 for number in range(5)]


def test_what_kafka_never_takes_stops_no_other(there: KafkaBroker, topic: Topic, settings) -> None:
    outbox.put(topic.name, "web", [b"before", b"x" * 5_000_000, b"after"])
    (path,) = waiting(settings)
    with path.open("ab") as file:
        file.write(b"rubbish")
    outbox.put(topic.name, "web", [b"last"])
    forwarding.forward(there)
    assert values(there, topic) == [b"before", b"after", b"last"]
    large, rubbish = DeadLetter.objects.order_by("offset")
    assert "Kafka refuses this message" in large.reason
    assert (large.size, len(bytes(large.value))) == (5_000_000, 65_536)
    assert bytes(rubbish.value) == b"rubbish"
    assert not waiting(settings)


def test_a_topic_that_is_not_there_keeps_nobody_waiting(
    there: KafkaBroker, topic: Topic, register: Make, settings
) -> None:
    register("a-gone-topic")
    for name in ("a-gone-topic", topic.name):
        outbox.put(name, "web", [b"1"])
    with pytest.raises(Exception, match="no topic a-gone-topic"):
        forwarding.forward(there)
    assert values(there, topic) == [b"1"]
    assert [path.parent.name for path in waiting(settings)] == ["a-gone-topic"]


def test_a_message_that_comes_while_its_file_is_removed_is_kept(
    there: KafkaBroker, topic: Topic, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox.put(topic.name, "web", [b"1"])
    publish = there.publish

    def more_comes(name: str, sent: list[bytes]) -> None:
        publish(name, sent)
        if sent == [b"1"]:
            outbox.put(topic.name, "web", [b"2"])

    monkeypatch.setattr(there, "publish", more_comes)
    forwarding.forward(there)
    forwarding.forward(there)
    assert values(there, topic) == [b"1", b"2"]


def test_what_is_left_of_a_time_with_kafka_goes_into_the_topics_folder(
    folder: Path, register: Make, settings
) -> None:
    settings.KAFKA_BROKERS = ["kafka:9092"]
    topic = register()
    outbox.put(topic.name, "r1-0-1", [b"1", b"2"])
    settings.KAFKA_BROKERS = []
    there = installed.broker()
    assert forwarding.forward(there) == 2
    assert [each.value for each in there.peek(topic.name, most=10)] == [b"2", b"1"]
    assert not waiting(settings)
    assert forwarding.forward(there) == 0


def test_the_log_consumer_sends_on_with_kafka_and_without(settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for brokers in ([], ["kafka:9092"]):
        settings.KAFKA_BROKERS = brokers
        is_forwarding = threading.Event()
        monkeypatch.setattr(forwarding, "run", lambda is_over, started=is_forwarding: started.set())
        monkeypatch.setattr(consumer, "run", lambda is_over, started=is_forwarding: started.wait(10))
        monkeypatch.setattr(signal, "signal", lambda number, handler: None)
        call_command("consume")
        assert is_forwarding.is_set(), brokers
