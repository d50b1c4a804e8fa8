"""The consumer at a real Kafka: what it counts and describes, and how it waits for what is away."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import OperationalError, connection
from django.utils import timezone
from kafka import errors

from serving.models import InferenceRecord, Serving, Topic
from tests import broker
from tests.broker import Kafka
from tests.waiting import eventually
from tests.worker.consuming.messages import good, numbered
from worker.consuming import storing
from worker.consuming.consumer import Consumer
from worker.topics import installed
from worker.topics.kafka import KafkaBroker

pytestmark = pytest.mark.django_db(transaction=True)

Make = Callable[..., Topic]


@pytest.fixture
def own(folder: Path, settings) -> Iterator[Kafka]:
    """A broker that may be killed, and has no other consumers."""
    with broker.running() as found:
        settings.KAFKA_BROKERS = [found.address]
        yield found


@pytest.fixture
def topic(own: Kafka, register: Make) -> Iterator[tuple[Topic, KafkaBroker]]:
    there = installed.broker()
    assert isinstance(there, KafkaBroker)
    there.create("iris-inf0001", partitions=2, replication=1)
    yield register(), there
    there.close()


@pytest.fixture
def consumer(topic: tuple[Topic, KafkaBroker]) -> Iterator[Consumer]:
    found = Consumer(topic[1], lambda seconds: False)
    yield found
    found.close()


def stored(consumer: Consumer, count: int) -> bool:
    consumer.go_on()
    return InferenceRecord.objects.count() >= count


def test_records_are_counted_and_topics_described(
    serving: Serving, topic: tuple[Topic, KafkaBroker], consumer: Consumer
) -> None:
    row, there = topic
    there.publish(row.name, [numbered(serving.pk, number) for number in range(50)] + [b"rubbish"])
    eventually(lambda: stored(consumer, 50))
    there.publish(row.name, [numbered(serving.pk, number) for number in range(50, 57)])
    Topic.objects.update(described_at=None)
    consumer.describe()
    row.refresh_from_db()
    assert (row.consumed["stored"], row.consumed["skipped"], row.consumed["lag"]) == (50, 1, 7)
    assert (row.described["messages"], len(row.described["partitions"])) == (58, 2)
    assert row.described_at is not None
    assert row.described_at <= timezone.now()


def test_topics_are_described_and_stored_from_while_the_lag_is_not_known(
    serving: Serving,
    topic: tuple[Topic, KafkaBroker],
    consumer: Consumer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row, there = topic
    there.publish(row.name, [numbered(serving.pk, number) for number in range(3)])
    eventually(lambda: stored(consumer, 3))
    reader, inner = consumer._reader, consumer._reader._consumer  # type: ignore[attr-defined]
    Topic.objects.update(described_at=None)

    def missing(places: list[object], **_: object) -> None:
        raise KeyError(places[0])

    def refuse(**_: object) -> None:
        raise errors.RebalanceInProgressError("anew")

    monkeypatch.setattr(inner, "end_offsets", missing)
    monkeypatch.setattr(inner, "commit", refuse)
    consumer._described_at = -100.0
    there.publish(row.name, [numbered(serving.pk, number) for number in range(3, 5)])
    eventually(lambda: stored(consumer, 5))
    row.refresh_from_db()
    assert row.described_at is not None
    assert consumer._reader is reader


def test_a_broker_that_went_away_is_waited_for(
    serving: Serving, topic: tuple[Topic, KafkaBroker], consumer: Consumer, own: Kafka
) -> None:
    row, there = topic
    there.publish(row.name, [good(serving.pk)])
    eventually(lambda: stored(consumer, 1))
    own.kill()
    for _ in range(3):
        consumer.go_on()
    own.start()
    there.publish(row.name, [good(serving.pk, requestId="b")])
    eventually(lambda: stored(consumer, 2), seconds=60)


def test_a_database_that_went_away_is_waited_for(
    serving: Serving,
    topic: tuple[Topic, KafkaBroker],
    consumer: Consumer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row, there = topic
    there.publish(row.name, [numbered(serving.pk, number) for number in range(20)])
    tries = []

    def away(*_: object, **__: object) -> int:
        tries.append(connection.vendor)
        raise OperationalError("the database is away")

    with monkeypatch.context() as patch:
        patch.setattr(storing, "store", away)
        eventually(lambda: consumer.go_on() or len(tries) > 1, seconds=60)
    assert not InferenceRecord.objects.exists()
    eventually(lambda: stored(consumer, 20), seconds=60)
