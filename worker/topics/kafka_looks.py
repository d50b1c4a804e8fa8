"""What is in topics of Kafka: their partitions, offsets, bytes, and messages at given offsets."""

import contextlib
import time
from collections.abc import Collection, Mapping
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition, errors
from kafka.admin import OffsetSpec

from serving.topics.broker import Described, Message, Partition
from worker.topics.kafka_words import message_of

Offsets = Mapping[TopicPartition, Any]
TRIES = 5
PAUSE_SECONDS = 0.1


def described(admin: KafkaAdminClient, names: Collection[str]) -> dict[str, Described]:
    """Those of the topics that exist. Raises what kafka-python raises."""
    for _ in range(TRIES):
        with contextlib.suppress(errors.UnknownTopicOrPartitionError, errors.UnknownBrokerIdError):
            return _described(admin, there(admin, names))
        time.sleep(PAUSE_SECONDS)  # something came or went while we looked
    return _described(admin, there(admin, names))


def there(admin: KafkaAdminClient, names: Collection[str]) -> list[dict[str, Any]]:
    """What Kafka says of those of the topics that exist."""
    found = admin.describe_topics(sorted(names)) if names else []
    return [each for each in found if not each["error_code"]]


def _described(admin: KafkaAdminClient, there: list[dict[str, Any]]) -> dict[str, Described]:
    led = [
        TopicPartition(each["name"], part["partition_index"])
        for each in there
        for part in each["partitions"]
        if part["leader_id"] >= 0
    ]
    first, following = (
        admin.list_partition_offsets(dict.fromkeys(led, when)) if led else {}
        for when in (OffsetSpec.EARLIEST, OffsetSpec.LATEST)
    )
    sizes = _sizes(admin, there)
    return {
        each["name"]: Described(
            each["name"],
            tuple(
                _partition(
                    TopicPartition(each["name"], part["partition_index"]), part, (first, following), sizes
                )
                for part in sorted(each["partitions"], key=lambda part: int(part["partition_index"]))
            ),
        )
        for each in there
    }


def between(
    consumer: KafkaConsumer, wanted: Mapping[TopicPartition, range], *, seconds: float
) -> list[Message]:
    """The messages at these offsets, as far as they come in time; some may be none, as those of transactions."""
    consumer.assign(list(wanted))
    for place, offsets in wanted.items():
        consumer.seek(place, offsets.start)
    deadline = time.monotonic() + seconds
    found = []
    while (left := deadline - time.monotonic()) > 0:
        if all(consumer.position(place) >= offsets.stop for place, offsets in wanted.items()):
            break
        read = consumer.poll(timeout_ms=round(left * 1000))
        found += [
            message_of(each)
            for place, records in read.items()
            for each in records
            if each.offset in wanted[place]
        ]
    return found


def _partition(
    place: TopicPartition,
    said: Mapping[str, Any],
    offsets: tuple[Offsets, Offsets],
    sizes: Mapping[TopicPartition, int],
) -> Partition:
    first, following = ((each[place].offset if place in each else 0) for each in offsets)
    return Partition(
        str(place.partition),
        first,
        following,
        sizes.get(place, 0),
        replicas=len(said["replica_nodes"]),
        in_sync=len(said["isr_nodes"]),
    )


def _sizes(admin: KafkaAdminClient, there: Collection[Mapping[str, Any]]) -> dict[TopicPartition, int]:
    """Bytes on the disk of the broker that has most of a partition; of none where Kafka does not tell us."""
    asked = {each["name"]: [part["partition_index"] for part in each["partitions"]] for each in there}
    if not asked:
        return {}
    found: dict[TopicPartition, int] = {}
    for broker in admin.describe_log_dirs(asked):
        for folder in broker["log_dirs"]:
            for topic in folder["topics"]:
                for part in topic["partitions"]:
                    place = TopicPartition(topic["name"], part["partition_index"])
                    found[place] = max(found.get(place, 0), part["partition_size"])
    return found
