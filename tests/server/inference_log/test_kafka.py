"""The shipper and a real Kafka: everything arrives, also after the broker was killed, paused, or told to refuse."""

import json
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.broker import Kafka, running
from tests.ports import free_port

from ..process import eventually
from .shipper import TOPIC, Shipper, decoded, record, request_ids, steadily, values


@pytest.fixture
def broker() -> Iterator[Kafka]:
    """One that may be killed."""
    with running() as broker:
        yield broker


def made(broker: Kafka, *, partitions: int = 1, **config: str) -> str:
    name = broker.topic_name()
    admin = AdminClient({"bootstrap.servers": broker.address})
    asked = NewTopic(
        name, partitions, 1, config={key.replace("_", "."): value for key, value in config.items()}
    )
    admin.create_topics([asked])[name].result(10)
    return name


def messages(broker: Kafka, topic: str) -> list[bytes]:
    """All that are in the topic now."""
    reader = Consumer({"bootstrap.servers": broker.address, "group.id": "test", "enable.auto.commit": False})
    try:
        partition = TopicPartition(topic, 0, 0)
        reader.assign([partition])
        _, end = reader.get_watermark_offsets(partition, timeout=10)
        found: list[bytes] = []
        while len(found) < end:
            found += [message.value() or b"" for message in reader.consume(end - len(found), 5)]
        return found
    finally:
        reader.close()


@pytest.fixture
def shipping(ship, tmp_path) -> Callable[..., Shipper]:
    def start(broker: Kafka, topic: str, **settings: object) -> Shipper:
        return ship(
            **{
                "kafka_brokers": [broker.address],
                "topic": topic,
                "spill_dir": str(tmp_path / "spill"),
                **settings,
            }
        )

    return start


def all_of(numbers: list[int]) -> list[str]:
    return [f"call-{number}" for number in numbers]


def test_all_records_arrive_in_order_as_bare_avro_without_a_key(shipping, kafka):
    topic = made(kafka)
    shipper = shipping(kafka, topic, serving_id=7)
    for batch in range(20):
        shipper.send([record(batch * 100 + number) for number in range(100)])
    shipper.settled(sent=2000, waiting=0)
    found = messages(kafka, topic)
    assert request_ids(found) == all_of(list(range(2000)))
    assert decoded(found[0])["modelId"] == 7
    assert sorted(shipper.took) == list(range(1, 21))
    assert shipper.end() == 0
    assert shipper.counts == {"sent": 2000, "spilled": 0, "dropped": 0, "waiting": 0}
    assert shipper.log == ""


def test_an_end_waits_for_what_is_under_way(shipping, kafka):
    topic = made(kafka)
    shipper = shipping(kafka, topic, kafka_options={"linger.ms": 1000})
    shipper.send([record(number) for number in range(50)])
    assert shipper.end() == 0
    assert request_ids(messages(kafka, topic)) == all_of(list(range(50)))
    assert shipper.counts["sent"] == 50


def test_nothing_is_lost_while_the_broker_is_dead(shipping, broker, tmp_path):
    topic = made(broker)
    shipper = shipping(broker, topic)
    with steadily(shipper) as numbers:
        eventually(lambda: shipper.counts.get("sent", 0) > 100)
        broker.kill()
        eventually(lambda: shipper.counts["spilled"] > 1000, 60)
        assert values(tmp_path / "spill" / topic)
        broker.start()
        eventually(lambda: shipper.counts["waiting"] == 0, 60)
    shipper.settled(sent=len(numbers), dropped=0, waiting=0)
    assert eventually(lambda: len(shipper.took) == shipper.sent)
    found = request_ids(messages(broker, topic))
    assert set(found) == set(all_of(numbers))
    assert list((tmp_path / "spill" / topic).iterdir()) == []
    said = [line for line in shipper.lines if "#producer-" not in line]  # librdkafka's own, in any order
    assert "are kept in files until Kafka takes them again: " in said[0]
    assert "inference records that were kept in files" in said[-1]
    assert len(shipper.lines) < 8


def test_nothing_is_lost_while_the_broker_says_nothing(shipping, broker, tmp_path):
    topic = made(broker)
    shipper = shipping(broker, topic)
    with steadily(shipper) as numbers:
        eventually(lambda: shipper.counts.get("sent", 0) > 100)
        broker.pause()
        eventually(lambda: shipper.counts["spilled"] > 500)
        assert len(shipper.took) > shipper.sent - 90, "batches are called taken although the broker is silent"
        broker.go_on()
        eventually(lambda: shipper.counts["waiting"] == 0, 60)
    shipper.settled(sent=len(numbers), dropped=0, waiting=0)
    assert set(request_ids(messages(broker, topic))) == set(all_of(numbers))


def test_an_end_while_the_broker_is_dead_leaves_everything_in_the_spill(shipping, broker, tmp_path):
    topic = made(broker)
    shipper = shipping(broker, topic, drain_seconds=1.0)
    shipper.send([record(0)])
    shipper.settled(sent=1)
    broker.kill()
    shipper.send([record(number) for number in range(1, 31)])
    assert shipper.end() == 0
    assert shipper.counts == {"sent": 1, "spilled": 30, "dropped": 0, "waiting": 30}
    assert request_ids(values(tmp_path / "spill" / topic)) == all_of(list(range(1, 31)))


def test_a_broker_that_was_never_there_is_named(ship, tmp_path):
    shipper = ship(kafka_brokers=[f"127.0.0.1:{free_port()}"], spill_dir=str(tmp_path / "spill"))
    with steadily(shipper) as numbers:
        eventually(lambda: shipper.counts.get("spilled", 0) > 300)
    assert shipper.end() == 0
    assert shipper.counts == {"sent": 0, "spilled": len(numbers), "dropped": 0, "waiting": len(numbers)}
    assert sorted(request_ids(values(tmp_path / "spill" / TOPIC))) == sorted(all_of(numbers))
    assert "are kept in files until Kafka takes them again" in shipper.log


def test_a_topic_that_is_not_there_is_named_and_waited_for(shipping, kafka):
    topic = kafka.topic_name()
    shipper = shipping(kafka, topic)
    for number in range(3):
        shipper.send([record(number)])
    shipper.settled(spilled=3, waiting=3)
    assert f"has no topic {topic}; create it again" in shipper.log
    admin = AdminClient({"bootstrap.servers": kafka.address})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(10)
    shipper.settled(sent=3, waiting=0)
    assert sorted(request_ids(messages(kafka, topic))) == all_of([0, 1, 2])
    assert sum("has no topic" in line for line in shipper.lines) == 1


def test_options_that_cannot_be_used_are_named(shipping, kafka):
    shipper = shipping(kafka, made(kafka), kafka_options={"nonsense.ms": 1})
    shipper.send([record(1)])
    shipper.settled(spilled=1, waiting=1)
    assert "HOPYARD_KAFKA_OPTIONS" in shipper.log
    assert "nonsense.ms" in shipper.log


def test_options_of_the_installation_come_before_ours(shipping, kafka):
    shipper = shipping(
        kafka, topic := made(kafka), kafka_options={"acks": 1, "socket.keepalive.enable": False}
    )
    shipper.send([record(1)])
    shipper.settled(sent=1)
    assert request_ids(messages(kafka, topic)) == ["call-1"]


@pytest.mark.parametrize("large", [b'["' + b"x" * 60_000 + b'"]'])
def test_a_record_that_is_too_large_for_the_topic_arrives_as_digests_and_fails_no_others(
    shipping,
    kafka,
    large,
):
    topic = made(kafka, max_message_bytes="3000")
    options = {"compression.type": "none"}
    shipper = shipping(kafka, topic, kafka_options=options)
    shipper.send([record(number, inputs=large if number % 10 == 3 else b"[1]") for number in range(40)])
    shipper.settled(sent=40, dropped=0, spilled=0, waiting=0)
    found = {one["requestId"]: one for one in map(decoded, messages(kafka, topic))}
    assert set(found) == set(all_of(list(range(40))))
    assert (found["call-3"]["requestBytes"], found["call-3"]["inferenceRequest"]) == (60_004, "")
    assert len(found["call-3"]["requestSha256"]) == 64
    assert found["call-4"]["inferenceRequest"] == "[1]"


def test_a_message_that_no_digest_makes_small_enough_is_dropped_and_said(shipping, kafka):
    topic = made(kafka, max_message_bytes="400")
    shipper = shipping(kafka, topic, topic_subject="mlrunrecord", kafka_options={"compression.type": "none"})
    small = json.dumps({"request": {}}).encode()
    shipper.send([(small,), (json.dumps({"labels": "x" * 900}).encode(),), (b"x" * 900,), (small,)])
    shipper.settled(sent=2, dropped=2, waiting=0)
    assert messages(kafka, topic) == [small, small]
    assert f"too large for {topic}" in shipper.log


def test_the_broker_of_the_tests_refuses_what_is_not_there(kafka):
    with pytest.raises(KafkaException):
        messages(kafka, kafka.topic_name())
