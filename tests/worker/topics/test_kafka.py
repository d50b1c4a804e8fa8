"""Topics in a real Kafka: the contract, and what a broker refuses or does when it is away."""

import itertools
import secrets
import time
from collections.abc import Callable, Iterator

import pytest

from serving.topics.broker import BrokerAway, BrokerError
from tests.broker import Kafka, running
from tests.ports import free_port
from tests.waiting import eventually
from tests.worker.topics.contract import BrokerContract, read
from worker.topics.kafka import KafkaBroker

pytestmark = pytest.mark.django_db(transaction=True)
SOON = 6.0


@pytest.fixture
def broker(kafka: Kafka) -> Iterator[KafkaBroker]:
    made = KafkaBroker([kafka.address], {})
    yield made
    made.close()


class TestKafkaBroker(BrokerContract):
    @pytest.fixture
    def another(self, kafka: Kafka) -> Iterator[KafkaBroker]:
        made = KafkaBroker([kafka.address], {})
        yield made
        made.close()

    @pytest.fixture
    def spread(self, broker: KafkaBroker) -> Callable[[str, int], None]:
        numbers = itertools.count()

        def write(topic: str, many: int) -> None:
            values = [f"{next(numbers)}".encode() for _ in range(many)]
            broker.publish(topic, values, keys=values)

        return write


@pytest.fixture
def topic(broker: KafkaBroker) -> Iterator[str]:
    name = f"calls-{secrets.token_hex(4)}"
    broker.create(name, partitions=1, replication=1)
    yield name
    broker.delete(name)


def test_partitions_are_as_many_as_asked_for(broker: KafkaBroker) -> None:
    name = f"calls-{secrets.token_hex(4)}"
    broker.create(name, partitions=3, replication=1)
    values = [f"{number}".encode() for number in range(30)]
    broker.publish(name, values, keys=values)
    described = broker.describe([name])[name]
    assert [(each.id, each.first, each.replicas, each.in_sync) for each in described.partitions] == [
        ("0", 0, 1, 1),
        ("1", 0, 1, 1),
        ("2", 0, 1, 1),
    ]
    assert described.messages == 30
    assert min(each.next for each in described.partitions) > 0
    broker.delete(name)


def test_copies_that_it_has_no_brokers_for_are_refused(broker: KafkaBroker) -> None:
    with pytest.raises(
        BrokerError, match=r"3 copies of the topic calls: it has 1 broker\. Ask for at most 1"
    ) as no:
        broker.create("calls", partitions=1, replication=3)
    assert no.value.code == "ReplicationRefused"
    assert not isinstance(no.value, BrokerAway)


def test_a_topic_keeps_what_the_settings_say(kafka: Kafka) -> None:
    from kafka import KafkaAdminClient
    from kafka.admin import ConfigResource, ConfigResourceType

    name = f"calls-{secrets.token_hex(4)}"
    broker = KafkaBroker([kafka.address], {}, retention_hours=2, retention_mb=10)
    broker.create(name, partitions=2, replication=1)
    admin = KafkaAdminClient(bootstrap_servers=kafka.address)
    said = str(admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)]))
    admin.close()
    assert "7200000" in said
    assert str(5 * 1024 * 1024) in said
    broker.delete(name)
    broker.close()


def test_a_message_that_is_too_large_is_refused_with_all_that_come_with_it(
    broker: KafkaBroker, topic: str
) -> None:
    with pytest.raises(BrokerError, match=r"5000\d\d\d bytes .* larger than the 1000000 bytes") as refused:
        broker.publish(topic, [b"small", b"x" * 5_000_000])
    assert refused.value.code == "MessageTooLarge"
    assert broker.peek(topic, most=9) == []


def test_a_message_that_only_the_broker_finds_too_large_is_refused(kafka: Kafka, topic: str) -> None:
    broker = KafkaBroker([kafka.address], {"message.max.bytes": "9000000"})
    with pytest.raises(BrokerError, match="too large") as refused:
        broker.publish(topic, [b"x" * 5_000_000])
    assert refused.value.code == "MessageTooLarge"
    broker.publish(topic, [b"small"])
    broker.close()


def test_messages_say_when_they_were_written(broker: KafkaBroker, topic: str) -> None:
    before = time.time() * 1000
    broker.publish(topic, [b"one"], keys=[b"key"])
    (message,) = broker.peek(topic, most=1)
    assert before - 1000 < message.timestamp_ms < time.time() * 1000 + 1000
    assert (message.partition, message.offset, message.key) == ("0", 0, b"key")


def test_a_reader_that_is_asked_for_moments_only_gets_its_share_all_the_same(
    broker: KafkaBroker, topic: str
) -> None:
    broker.publish(topic, [b"1"])
    for number in range(8):
        reader = broker.reader(group=f"hurried-{topic}-{number}")
        reader.subscribe([topic])
        try:
            eventually(lambda reader=reader: reader.poll(seconds=0.002, most=1), seconds=20)  # type: ignore[misc]
        finally:
            reader.close()


def test_nobody_there_is_said_soon_and_where() -> None:
    address = f"127.0.0.1:{free_port()}"
    broker = KafkaBroker([address], {})
    reader = broker.reader(group="records")
    reader.subscribe(["calls"])
    for call in (
        lambda: broker.create("calls", partitions=1, replication=1),
        lambda: broker.describe(["calls"]),
        lambda: broker.delete("calls"),
        lambda: broker.publish("calls", [b"one"]),
        lambda: broker.peek("calls", most=1),
        lambda: reader.poll(seconds=1, most=1),
    ):
        began = time.monotonic()
        with pytest.raises(BrokerAway, match=address):
            call()
        assert time.monotonic() - began < SOON
    reader.commit()
    with pytest.raises(BrokerAway, match="share of calls"):
        reader.lag()


def test_a_broker_that_says_nothing_is_away() -> None:
    with running() as own:
        broker = KafkaBroker([own.address], {})
        broker.create("calls", partitions=1, replication=1)
        broker.publish("calls", [b"one"])
        own.pause()
        try:
            for call in (
                lambda: broker.publish("calls", [b"two"]),
                lambda: broker.describe(["calls"]),
                lambda: broker.publish("calls", [b"three"]),
            ):
                began = time.monotonic()
                with pytest.raises(BrokerAway, match=own.address):
                    call()
                assert time.monotonic() - began < SOON * 3
        finally:
            own.go_on()
        broker.publish("calls", [b"four"])
        values = [message.value for message in broker.peek("calls", most=9)]
        assert values[0] == b"four"
        assert values[-1] == b"one"
        broker.close()


def test_a_reader_goes_on_when_a_killed_broker_is_back() -> None:
    with running() as own:
        broker = KafkaBroker([own.address], {})
        broker.create("calls", partitions=1, replication=1)
        broker.publish("calls", [b"one"])
        reader = broker.reader(group="records")
        reader.subscribe(["calls"])
        assert read(reader, 1) == [b"one"]
        reader.commit()
        own.kill()
        assert reader.poll(seconds=0.5, most=9) == []
        with pytest.raises(BrokerAway, match=own.address):
            broker.publish("calls", [b"lost"])
        with pytest.raises(BrokerAway, match=own.address):
            reader.commit()
        own.start()
        eventually(lambda: _is_published(broker, b"two"), seconds=30)
        assert b"two" in read(reader, 1)
        reader.commit()
        reader.close()
        broker.close()


def test_options_that_cannot_be_used_are_named() -> None:
    for options, sentence in (
        ({"security.protocoll": "SSL"}, "'security.protocoll' is not an option"),
        ({"security.protocol": "TLS"}, "security.protocol is 'TLS'"),
        ({"message.max.bytes": "1 MB"}, "message.max.bytes is '1 MB'; write a whole number"),
        ({"compression.type": "zstd"}, "compression.type is 'zstd', which the platform could not read"),
        ({"compression.codec": "snappy"}, "write none or gzip or lz4"),
    ):
        with pytest.raises(ValueError, match=sentence):
            KafkaBroker(["127.0.0.1:9092"], options)


def _is_published(broker: KafkaBroker, value: bytes) -> bool:
    try:
        broker.publish("calls", [value])
    except BrokerAway:
        return False
    return True
