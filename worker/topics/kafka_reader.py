"""Reads topics of Kafka as one of a group, by kafka-python."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaConsumer

from serving.topics.broker import Message
from worker.topics import kafka_clients, kafka_words

GROUP: dict[str, Any] = {
    "enable_auto_commit": False,
    "auto_offset_reset": "earliest",
    "allow_auto_create_topics": False,
    "session_timeout_ms": 10_000,  # after which what a killed reader had goes to the others
    "heartbeat_interval_ms": 2_000,
    "max_poll_interval_ms": 600_000,
    "fetch_max_bytes": 16 * 1024 * 1024,
    "max_partition_fetch_bytes": 2 * 1024 * 1024,
}


JOINING_SECONDS = 1.0


class _Joining(ConsumerRebalanceListener):  # type: ignore[misc]  # it is not typed
    """Whether a consumer is about to get its share of the partitions."""

    def __init__(self) -> None:
        self.is_on = True

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        self.is_on = True

    def on_partitions_lost(self, lost: Iterable[Any]) -> None:
        self.is_on = True

    def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        self.is_on = False


class KafkaReader:
    """What `serving.topics.broker.Reader` says. A broker that goes away later gives nothing until it is back; only who
    has never reached it, or asks for more than messages, is told.
    """

    def __init__(self, brokers: Sequence[str], options: Mapping[str, Any], group: str) -> None:
        self._brokers = brokers
        self._options = {**options, **GROUP, "group_id": group}
        self._topics: frozenset[str] = frozenset()
        self._joining = _Joining()
        self._consumer: KafkaConsumer | None = None

    def subscribe(self, topics: Collection[str]) -> None:
        if frozenset(topics) == self._topics:
            return
        self._topics = frozenset(topics)
        if self._consumer is not None:
            self._subscribe(self._consumer)

    def poll(self, *, seconds: float, most: int) -> list[Message]:
        with self._asking("read topics") as consumer:
            # Of a join that ends between two polls kafka-python 3.0 may forget the outcome, and then never joins again.
            if self._joining.is_on and self._topics:
                consumer._coordinator.request_rejoin()
                seconds = max(seconds, JOINING_SECONDS)
            found = consumer.poll(timeout_ms=round(seconds * 1000), max_records=most)
        return [kafka_words.message_of(each) for records in found.values() for each in records]

    def commit(self) -> None:
        if self._consumer is not None:
            with self._asking("note what was read") as consumer:
                consumer.commit(timeout_ms=self._options["request_timeout_ms"])

    def lag(self) -> Mapping[str, int]:
        found = dict.fromkeys(self._topics, 0)
        if self._consumer is None:
            return found
        timeout = self._options["request_timeout_ms"]
        with self._asking("look how much there is to read") as consumer:
            given = sorted(consumer.assignment())
            ends = consumer.end_offsets(given, timeout_ms=timeout) if given else {}
            for place in given:
                position = consumer.position(place, timeout_ms=timeout) or 0
                found[place.topic] = found.get(place.topic, 0) + max(0, ends[place] - position)
        return found

    def close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with kafka_words.unheard():
                consumer.close(autocommit=False, timeout_ms=1000)

    @contextmanager
    def _asking(self, what: str) -> Iterator[Any]:
        try:
            if self._consumer is None:
                self._consumer = kafka_clients.made(KafkaConsumer, self._brokers, self._options)
                self._subscribe(self._consumer)
            yield self._consumer
        except kafka_words.TROUBLE as error:
            raise kafka_words.spoken(error, what, ", ".join(self._brokers)) from error

    def _subscribe(self, consumer: KafkaConsumer) -> None:
        if self._topics:
            self._joining.is_on = True
            consumer.subscribe(topics=sorted(self._topics), listener=self._joining)
        else:
            consumer.unsubscribe()
