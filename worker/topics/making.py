"""Brings topics to what is wanted: made in the broker, or removed from it and then from the database."""

import logging
import shutil

from django.conf import settings
from django.db.models import Q, QuerySet

from serving.models import Replica, Topic, TopicOffset
from serving.states import ReplicaState
from serving.topics.broker import Broker, BrokerAway, BrokerError
from worker.topics import installed

log = logging.getLogger(__name__)

STILL_WRITTEN = "Waiting for the replicas of a deleted serving to end; then the topic is removed."


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


def _make(topic: Topic, broker: Broker) -> None:
    broker.create(topic.name, partitions=topic.partitions, replication=topic.replication)
    if not Topic.objects.filter(name=topic.name).exists():
        broker.delete(topic.name)  # somebody else removed it meanwhile
        return
    _note(topic, Topic.State.READY, "")


def _remove(topic: Topic, broker: Broker) -> None:
    if _is_written(topic):
        _note(topic, topic.state, STILL_WRITTEN)
        return
    broker.delete(topic.name)
    shutil.rmtree(settings.OUTBOX_DIR / topic.name, ignore_errors=True)
    TopicOffset.objects.filter(path__startswith=f"{topic.name}/").delete()
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
