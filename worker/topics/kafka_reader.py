"""Reads topics of Kafka as one of a group, by kafka-python."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition, errors

from serving.topics.broker import Message, StillJoining
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
LAG_SECONDS = 2.0  # nothing is read while it is waited for


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
        if not self._topics:
            return found
        if self._consumer is None or self._joining.is_on:
            raise StillJoining(f"Waiting for its share of {', '.join(sorted(self._topics))}.")
        with self._asking("look how much there is to read") as consumer:
            given = sorted(consumer.assignment())
            ends = _ends(consumer, given)
            for place in given:
                read = consumer.position(place, timeout_ms=0) if place in ends else None
                if read is None:
                    found.pop(place.topic, None)
                elif place.topic in found:
                    found[place.topic] += max(0, ends[place] - read)
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


def _ends(consumer: KafkaConsumer, places: Collection[TopicPartition]) -> dict[TopicPartition, int]:
    """The offsets after the last messages. A partition without a leader has none for now; kafka-python 3.0 loses it
    on the way where others have some, and then misses it with a KeyError.
    """
    leader = consumer._manager.cluster.leader_for_partition
    led = [place for place in places if leader(place) not in (None, -1)]
    try:
        return dict(consumer.end_offsets(led, timeout_ms=round(LAG_SECONDS * 1000))) if led else {}
    except KeyError as error:  # it went while we asked
        raise errors.LeaderNotAvailableError(str(error)) from error
