"""Which broker this installation has."""

from django.conf import settings

from serving.topics.broker import Broker
from worker.topics.directory import DirectoryBroker
from worker.topics.kafka import KafkaBroker


def has_kafka() -> bool:
    return bool(settings.KAFKA_BROKERS)


def broker() -> Broker:
    """A new client; of Kafka's the caller keeps one for a process, or closes it."""
    if has_kafka():
        return KafkaBroker(
            settings.KAFKA_BROKERS,
            settings.KAFKA_OPTIONS,
            retention_hours=settings.TOPIC_RETENTION_HOURS,
            retention_mb=settings.TOPIC_RETENTION_MB,
        )
    return DirectoryBroker(settings.TOPIC_DIR)
