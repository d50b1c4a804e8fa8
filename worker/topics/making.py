"""Brings topics to what is wanted: made in the broker, or removed from it and then from the database."""

import logging
import shutil
from fnmatch import fnmatchcase

from django.conf import settings
from django.db.models import Q, QuerySet

from serving.models import Replica, Topic
from serving.states import ReplicaState
from serving.topics.broker import Broker, BrokerAway, BrokerError
from worker.topics import installed, offsets

log = logging.getLogger(__name__)

STILL_WRITTEN = "Waiting for the replicas of a deleted serving to end; then the topic is removed."
NOT_OURS = (
    "Kafka has a topic {0} already that was not made here, and its messages may be somebody else's. Choose another "
    "name; or ask the administrator to name it in HOPYARD_KAFKA_EXISTING."
)


def make(topic_id: int) -> None:
    """One topic, if it is not as it is wanted."""
    if topic := _unsettled().filter(pk=topic_id).first():
        _bring([topic])


def make_all() -> None:
    """Every topic that is not as it is wanted; what was refused may be allowed by now."""
    if topics := list(_unsettled()):
        _bring(topics)


def _unsettled() -> "QuerySet[Topic]":
    return Topic.objects.filter(Q(is_deleted=True) | ~Q(state=Topic.State.READY)).select_related("project")


def _bring(topics: list[Topic]) -> None:
    """While the broker is away none of them is tried but the first."""
    broker = installed.broker()
    away: BrokerAway | None = None
    try:
        for topic in topics:
            if away is not None:
                _note(topic, topic.state, away.reason)
                continue
            try:
                _remove(topic, broker) if topic.is_deleted else _make(topic, broker)
            except BrokerAway as error:
                away = error
                _note(topic, topic.state, error.reason)
            except BrokerError as error:
                _note(topic, Topic.State.FAILED, error.reason)
    finally:
        broker.close()


def bring_about(topic: Topic, broker: Broker) -> bool:
    """Have the broker have it; return whether it is ours. Raises BrokerError.

    One that Kafka has already is taken only where the administrator allows it: it may be of anybody who uses that
    Kafka. Ours are marked before they are made, so that one whose making was interrupted is known again.
    """
    if installed.has_kafka() and broker.describe([topic.name]) and not _is_marked(topic):
        if any(fnmatchcase(topic.name, pattern) for pattern in settings.KAFKA_EXISTING):
            return False
        raise BrokerError("TopicIsNotOurs", NOT_OURS.format(topic))
    is_new = Topic.objects.filter(pk=topic.pk, is_ours=False).update(is_ours=True)
    try:
        broker.create(topic.name, partitions=topic.partitions, replication=topic.replication)
    except BrokerError as error:
        if is_new and not isinstance(error, BrokerAway):  # which may have made it nevertheless
            Topic.objects.filter(pk=topic.pk).update(is_ours=False)
        raise
    return True


def _is_marked(topic: Topic) -> bool:
    """As it is now: to be asked after Kafka, since who makes a topic marks it first."""
    return Topic.objects.filter(pk=topic.pk, is_ours=True).exists()


def _make(topic: Topic, broker: Broker) -> None:
    is_ours = bring_about(topic, broker)
    if is_ours and not Topic.objects.filter(name=topic.name).exists():
        broker.delete(topic.name)  # somebody else removed it meanwhile
        return
    _note(topic, Topic.State.READY, "")


def _remove(topic: Topic, broker: Broker) -> None:
    if _is_written(topic):
        _note(topic, topic.state, STILL_WRITTEN)
        return
    if _is_marked(topic) or not installed.has_kafka():
        broker.delete(topic.name)
    shutil.rmtree(settings.OUTBOX_DIR / topic.name, ignore_errors=True)
    offsets.forget_topic(topic.name)
    Topic.objects.filter(pk=topic.pk, is_deleted=True).delete()
    log.info("The topic %s of %s is removed", topic, topic.project)


def _is_written(topic: Topic) -> bool:
    """Whether replicas of a serving that was deleted with its topic may still add to it, or make it again."""
    of_deleted = Replica.objects.filter(serving__is_deleted=True, serving__project=topic.project_id)
    return of_deleted.exclude(state=ReplicaState.EXITED).exists()


def _note(topic: Topic, state: str, problem: str) -> None:
    """Unless something else was asked for meanwhile; that has a task of its own."""
    if (topic.state, topic.problem) == (state, problem):
        return
    if problem:
        log.warning("The topic %s of %s: %s", topic, topic.project, problem)
    as_it_was = Topic.objects.filter(
        pk=topic.pk,
        is_deleted=topic.is_deleted,
        state=topic.state,
        partitions=topic.partitions,
        replication=topic.replication,
    )
    as_it_was.update(state=state, problem=problem)
