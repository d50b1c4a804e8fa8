"""Topics in Kafka, by kafka-python: made, described, removed, written and looked into."""

import contextlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition, errors

from serving.topics import kafka_options
from serving.topics.broker import BrokerAway, BrokerError, Described, Message
from worker.topics import kafka_clients, kafka_looks, kafka_words
from worker.topics.kafka_reader import KafkaReader

SECONDS = 4.0
"""Within which the broker answers, or is away."""
SECONDS_TO_SEND = 8.0  # messages may be large, and a broker busy
OVERHEAD_BYTES = 100  # of a message, at most, without its key
HOUR_MS = 3600 * 1000
CLIENT: dict[str, Any] = {
    "client_id": "hopyard",
    "bootstrap_timeout_ms": round(SECONDS * 1000),
    "request_timeout_ms": round(SECONDS * 1000),
    "reconnect_backoff_max_ms": 1000,
    "metadata_max_age_ms": 10_000,  # within which new topics and partitions are found
}
SENDING: dict[str, Any] = {
    "acks": "all",
    "enable_idempotence": False,  # with it one refused batch ends all batches of the process, whosever they are
    "max_block_ms": round(SECONDS * 1000),
    "request_timeout_ms": round(SECONDS_TO_SEND * 1000),
    "delivery_timeout_ms": round(SECONDS_TO_SEND * 1000) + 100,
    "batch_size": 256 * 1024,
    "allow_auto_create_topics": False,
}


class KafkaBroker:
    """What `serving.topics.broker.Broker` says, for all threads of a process. `retention_hours` and `retention_mb` are
    of each topic that it makes; 0 leaves them to Kafka.
    """

    def __init__(
        self,
        brokers: Sequence[str],
        options: Mapping[str, str],
        *,
        retention_hours: int = 0,
        retention_mb: int = 0,
    ) -> None:
        self._brokers = tuple(brokers)
        self._where = ", ".join(brokers)
        self._options = CLIENT | kafka_options.translated(options)
        self._largest = kafka_options.largest_message(options)
        self._retention = (retention_hours, retention_mb)
        self._clients = kafka_clients.Clients(self._make)
        self._written: set[str] = set()

    def create(self, name: str, *, partitions: int, replication: int) -> None:
        asked = {
            "num_partitions": partitions,
            "replication_factor": replication,
            "configs": _retention(*self._retention, partitions=partitions),
        }
        with self._asking(f"make the topic {name}", KafkaAdminClient) as admin:
            (said,) = admin.create_topics({name: asked}, raise_errors=False)["topics"]
            match kafka_words.refused(said["error_code"], said.get("error_message")):
                case errors.TopicAlreadyExistsError():
                    return
                case errors.InvalidReplicationFactorError():
                    raise _too_many_copies(name, replication, len(admin.describe_cluster()["brokers"]))
                case Exception() as refusal:
                    raise refusal
            admin.wait_for_topics([name], timeout_ms=SECONDS * 1000)

    def describe(self, names: Collection[str]) -> dict[str, Described]:
        with self._asking("describe topics", KafkaAdminClient) as admin:
            return kafka_looks.described(admin, names)

    def delete(self, name: str) -> None:
        self._written.clear()
        self._clients.retire(
            KafkaProducer
        )  # it would send to partitions that a topic made again may not have
        with self._asking(f"remove the topic {name}", KafkaAdminClient) as admin:
            (said,) = admin.delete_topics([name], raise_errors=False)["topics"]
            match kafka_words.refused(said["error_code"], said.get("error_message")):
                case errors.UnknownTopicOrPartitionError():
                    return
                case Exception() as refusal:
                    raise refusal
            deadline = time.monotonic() + SECONDS
            while kafka_looks.there(admin, [name]):
                if time.monotonic() > deadline:
                    raise BrokerAway("TopicStillThere", f"Kafka is still removing the topic {name}.")
                time.sleep(0.05)

    def publish(self, name: str, values: Sequence[bytes], *, keys: Sequence[bytes | None] = ()) -> None:
        pairs = list(zip(values, keys or [None] * len(values), strict=True))
        for value, key in pairs:
            self._require_fitting(name, len(value) + len(key or b"") + OVERHEAD_BYTES)
        self._require_topic(name)
        with self._asking(f"send messages to the topic {name}", KafkaProducer) as producer:
            _wait([producer.send(name, value=value, key=key) for value, key in pairs])

    def reader(self, *, group: str) -> KafkaReader:
        return KafkaReader(self._brokers, self._options, group)

    def peek(self, name: str, *, most: int) -> list[Message]:
        described = self.describe([name]).get(name)
        parts = described.partitions if described else ()
        wanted = {
            TopicPartition(name, int(each.id)): range(max(each.first, each.next - most), each.next)
            for each in parts
            if each.next > each.first
        }
        if not wanted:
            return []
        with self._asking(f"read the topic {name}", None):
            options = {**self._options, "enable_auto_commit": False}
            consumer = kafka_clients.made(KafkaConsumer, self._brokers, options)
            try:
                found = kafka_looks.between(consumer, wanted, seconds=SECONDS)
            finally:
                consumer.close()
        found.sort(key=lambda each: (each.timestamp_ms, each.offset), reverse=True)
        return found[:most]

    def close(self) -> None:
        self._written.clear()
        self._clients.retire(KafkaProducer, KafkaAdminClient)

    def _require_fitting(self, name: str, size: int) -> None:
        if size > self._largest:
            raise BrokerError(
                "MessageTooLarge",
                f"A message of {size} bytes for the topic {name} is larger than the {self._largest} bytes that Kafka "
                f"takes. Send less, or raise {kafka_options.LARGEST_MESSAGE} there and in HOPYARD_KAFKA_OPTIONS.",
            )

    def _require_topic(self, name: str) -> None:
        """Else a producer waits for it to come."""
        if name not in self._written:
            if name not in self.describe([name]):
                raise BrokerError(kafka_words.NO_SUCH_TOPIC, f"There is no topic {name} in Kafka.")
            self._written.add(name)

    @contextmanager
    def _asking(self, what: str, kind: type[Any] | None) -> Iterator[Any]:
        """A client for a block that does `what`, shared with other threads; one that had trouble is not used again."""
        try:
            with self._clients.one(kind) if kind else contextlib.nullcontext() as client:
                yield client
        except kafka_words.TROUBLE as error:
            self._written.clear()
            raise kafka_words.spoken(error, what, self._where) from error

    def _make(self, kind: type[Any]) -> Any:
        sending = SENDING | {"max_request_size": self._largest} if kind is KafkaProducer else {}
        client = kafka_clients.made(kind, self._brokers, self._options | sending)
        if kind is KafkaProducer:  # it offers that only with one request at a time, which starves its others
            client._sender.config["guarantee_message_order"] = True
        return client


def _wait(sent: Sequence[Any]) -> None:
    """Until Kafka has each of these messages or has not taken it. Raises what the first one of those says."""
    deadline = time.monotonic() + 2 * SECONDS_TO_SEND
    for each in sent:
        with contextlib.suppress(errors.KafkaError):
            each.get(timeout=max(0.0, deadline - time.monotonic()))
    for each in sent:
        each.get(timeout=0)


def _retention(hours: int, mb: int, *, partitions: int) -> dict[str, str]:
    """Of a topic as a whole, which Kafka asks for of each partition."""
    found = {"retention.ms": hours * HOUR_MS, "retention.bytes": mb * 1024 * 1024 // max(1, partitions)}
    return {name: str(value) for name, value in found.items() if value}


def _too_many_copies(name: str, copies: int, brokers: int) -> BrokerError:
    there = f"{brokers} broker" if brokers == 1 else f"{brokers} brokers"
    return BrokerError(
        "ReplicationRefused",
        f"Kafka refused to keep {copies} copies of the topic {name}: it has {there}. Ask for at most {brokers}.",
    )
