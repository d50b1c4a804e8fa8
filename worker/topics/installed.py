"""Which broker this installation has."""

from django.conf import settings

from serving.topics.broker import Broker
from worker.topics.directory import DirectoryBroker
from worker.topics.kafka import KafkaBroker


def has_kafka() -> bool:
    return bool(settings.KAFKA_BROKERS)


def broker() -> Broker:
    """A new client; of Kafka's the caller may keep one for a process."""
    if has_kafka():
        return KafkaBroker(settings.KAFKA_BROKERS, settings.KAFKA_OPTIONS)
    return DirectoryBroker(settings.TOPIC_DIR)
