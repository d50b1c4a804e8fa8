"""What a reader of Kafka says while partitions have no leader, or its group is being shared out."""

import secrets
from collections.abc import Callable, Iterator

import pytest
from kafka import TopicPartition, errors

from serving.topics.broker import BrokerAway
from tests.broker import Kafka
from tests.worker.topics.contract import read
from worker.topics.kafka import KafkaBroker
from worker.topics.kafka_reader import KafkaReader


@pytest.fixture
def topic(kafka: Kafka) -> Iterator[str]:
    broker = KafkaBroker([kafka.address], {})
    name = f"calls-{secrets.token_hex(4)}"
    broker.create(name, partitions=2, replication=1)
    broker.publish(name, [b"1", b"2"], keys=[b"1", b"2"])
    yield name
    broker.delete(name)
    broker.close()


@pytest.fixture
def reader(kafka: Kafka, topic: str) -> Iterator[KafkaReader]:
    """One that has its share, and has read it."""
    broker = KafkaBroker([kafka.address], {})
    reader = broker.reader(group=topic)
    reader.subscribe([topic])
    read(reader, 2)
    yield reader
    reader.close()


@pytest.mark.parametrize("gone", [{1}, {0, 1}])
def test_a_partition_without_a_leader_makes_the_lag_unknown_and_nothing_else(
    reader: KafkaReader, topic: str, gone: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reader.lag() == {topic: 0}
    cluster = reader._consumer._manager.cluster  # type: ignore[union-attr]
    leader: Callable[[TopicPartition], int | None] = cluster.leader_for_partition
    monkeypatch.setattr(
        cluster, "leader_for_partition", lambda place: -1 if place.partition in gone else leader(place)
    )
    assert reader.lag() == {}
    monkeypatch.undo()
    assert reader.lag() == {topic: 0}


def test_a_leader_that_goes_while_offsets_are_looked_up_is_waited_for(
    reader: KafkaReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader._consumer, "end_offsets", _missing)
    with pytest.raises(BrokerAway):
        reader.lag()


def _missing(places: list[TopicPartition], **_: object) -> None:
    raise KeyError(places[0])


def test_the_lag_is_not_known_before_the_reader_has_its_share(kafka: Kafka, topic: str) -> None:
    reader = KafkaBroker([kafka.address], {}).reader(group=f"{topic}-late")
    assert reader.lag() == {}
    reader.subscribe([topic])
    with pytest.raises(BrokerAway, match=f"Waiting for its share of {topic}"):
        reader.lag()
    read(reader, 2)
    assert reader.lag() == {topic: 0}
    reader.close()


@pytest.mark.parametrize(
    "refusal",
    [
        errors.RebalanceInProgressError("rebalancing"),
        errors.CommitFailedError(errors.RebalanceInProgressError()),
    ],
)
def test_a_commit_while_the_topic_is_shared_out_anew_is_told_from_a_lost_one(
    reader: KafkaReader, refusal: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise refusal

    monkeypatch.setattr(reader._consumer, "commit", refuse)
    with pytest.raises(BrokerAway) as joining:
        reader.commit()
    assert joining.value.code == "StillJoining"
    monkeypatch.undo()
    reader.commit()
