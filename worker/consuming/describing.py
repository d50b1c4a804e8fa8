"""What the broker says of each topic, noted in its row: `Topic.described`."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from serving.models import Topic
from serving.topics.broker import Broker, Described
from worker.topics import installed

FRESH = timedelta(seconds=10)  # another consumer of the group may have been first
CHUNK = 200


def describe(broker: Broker) -> None:
    """Raises BrokerAway."""
    now = timezone.now()
    there = Topic.objects.filter(state=Topic.State.READY, is_deleted=False)
    due = [topic for topic in there if topic.described_at is None or topic.described_at < now - FRESH]
    for start in range(0, len(due), CHUNK):
        _note(broker, due[start : start + CHUNK])


def _note(broker: Broker, topics: list[Topic]) -> None:
    found = broker.describe([topic.name for topic in topics])
    seen = [topic.pk for topic in topics if topic.name in found]
    for topic in topics:
        if topic.name in found and (said := _said(topic, found[topic.name])) != topic.described:
            Topic.objects.filter(pk=topic.pk).update(described=said)
    Topic.objects.filter(pk__in=seen).update(described_at=timezone.now())


def _said(topic: Topic, found: Described) -> dict[str, Any]:
    partitions = [
        {
            "id": each.id,
            "first": each.first,
            "next": each.next,
            "bytes": each.bytes,
            "replicas": each.replicas,
            "in_sync": each.in_sync,
        }
        for each in found.partitions
    ]
    return {"partitions": partitions, "bytes": found.bytes, "messages": _messages(topic, found)}


def _messages(topic: Topic, found: Described) -> int:
    """In folders, where positions are bytes, those that the consumer has counted."""
    if installed.has_kafka():
        return found.messages
    return sum(topic.consumed.get(name, 0) for name in ("stored", "skipped"))
