"""Changes of topics: make, delete, add messages; and the topic that a revision asks for."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q, Value
from django.db.models.functions import Replace

from accounts.access import Access
from accounts.models import Project
from accounts.services import record
from accounts.work import ask_on_commit
from serving.drafting import topics as drafting
from serving.errors import ServingError
from serving.models import RecordFormat, Revision, Serving, Topic
from serving.topics import messages, naming, outbox, queries, schemas
from serving.topics.errors import MessagesNotKept, NoSuchTopic, TopicInUse, TopicTaken
from serving.topics.wanted import WantedTopic, checked

WRITER = "published"
TASK = "worker.make_topic"


@transaction.atomic
def create(*, access: Access, wanted: WantedTopic) -> tuple[Topic, bool]:
    """Register a topic and have it made; the same once more returns it unchanged, another of its name is refused."""
    asked = checked(wanted)
    existing = _of_like_name(asked.name)
    if existing is not None:
        return _same_or_taken(access.project, existing, asked), False
    _check_schema(access.project, asked)
    made = _made(access, **asdict(asked))
    if made is None:
        raise TopicTaken(
            f"Somebody else made a topic {asked.name} just now; choose another name.", field="name"
        )
    record(project=access.project, actor=access.user.username, action="create_topic", target=made.name)
    return made, True


@transaction.atomic
def delete(*, access: Access, topic: Topic) -> None:
    """Have a topic and its messages removed. Raises TopicInUse while a serving uses it."""
    _hold(topic.name)
    users = {use.serving for use in queries.uses(access.project, [topic.name])[topic.name]}
    if users:
        names = ", ".join(sorted(users))
        raise TopicInUse(
            f"{topic} is used by {names}; give them another topic, or delete them first.", field="topic"
        )
    if Topic.objects.filter(pk=topic.pk, is_deleted=False).update(is_deleted=True):
        record(project=access.project, actor=access.user.username, action="delete_topic", target=topic.name)
        ask_on_commit(TASK, topic.pk)


@transaction.atomic
def publish(*, access: Access, topic: Topic, values: Sequence[bytes]) -> None:
    """Add messages to a topic, in order, all of them or none.

    Raises ServingError for too many or too large ones, NoSuchTopic for a deleted topic, TopicIsLog for one that a
    serving logs to, MessagesNotKept where they could not be written.
    """
    del access  # who may write in the project may add messages; the topic is one of it
    messages.check_values(values)
    if not any(each.pk == topic.pk and not each.is_deleted for each in _hold(topic.name)):
        raise NoSuchTopic(f"{topic} has been deleted.")
    messages.check_taker(topic)
    try:
        outbox.put(topic.name, WRITER, values)
    except outbox.NotKept as error:
        raise MessagesNotKept(str(error)) from None


def give(access: Access, revision: Revision) -> None:
    """Register the topic that a revision of a serving logs to, unless there is one, and have it made.

    A drawn number that somebody else was given meanwhile is drawn again. Raises TopicTaken or NoSuchTopic for topics
    that the project has not any more.
    """
    _hold(revision.topic, revision.input_topic, revision.output_topic)
    for name in filter(None, (revision.input_topic, revision.output_topic)):
        queries.topic(access.project, name)
    if not revision.topic:
        return
    while (found := _of_revision(access, revision)) is None:
        revision.topic = naming.free(revision.serving.name)
    if naming.is_own(found.name, revision.serving.name):
        _ask_anew(found, revision)


def delete_with(access: Access, serving: Serving) -> None:
    """Have the topic removed that a serving, deleted in this transaction, logged to. Raises TopicInUse."""
    revision = serving.revision
    _hold(revision.topic if revision else "")
    found = queries.find(access.project, revision.topic) if revision else None
    if found is None:
        return
    others = {use.serving for use in queries.uses(access.project, [found.name])[found.name]} - {serving.name}
    if others:
        names = ", ".join(sorted(others))
        raise TopicInUse(
            f"{found} is used by {names} too; delete {serving} without its topic.", field="topic"
        )
    Topic.objects.filter(pk=found.pk).update(is_deleted=True)
    record(project=access.project, actor=access.user.username, action="delete_topic", target=found.name)
    ask_on_commit(TASK, found.pk)


def _hold(*names: str) -> list[Topic]:
    """These topics, which until this transaction ends nobody else deletes or begins to use."""
    return list(Topic.objects.select_for_update().filter(name__in=names).order_by("name"))


def _of_like_name(name: str) -> Topic | None:
    """The topic of this name, or of one that differs in dots and underscores only, which Kafka takes for the same."""
    alike = Topic.objects.annotate(alike=Replace("name", Value("."), Value("_")))
    found = alike.filter(alike=name.replace(".", "_"))
    return found.filter(name=name).first() or found.first()


def _of_revision(access: Access, revision: Revision) -> Topic | None:
    """The topic it names, made if need be; None if that is somebody else's and another one may be drawn."""
    existing = next(iter(_hold(revision.topic)), None)
    if existing is None:
        return _made(
            access,
            name=revision.topic,
            partitions=revision.topic_partitions,
            replication=revision.topic_replication,
            **_registered(revision.record_format),
        )
    reason: str | None = "has been deleted"
    if existing.project_id == access.project.pk and not existing.is_deleted:
        reason = drafting.why_not(existing, revision.record_format)
    if reason is None:
        return existing
    if naming.is_own(existing.name, revision.serving.name):
        return None
    raise TopicTaken(f"{existing} {reason}; choose another topic.", field="topic")


def _registered(record_format: str) -> dict[str, Any]:
    """The columns of a new topic for records of this format."""
    if record_format == RecordFormat.MLRUN:
        return {"subject": schemas.MLRUN, "schema_version": None}
    return {"subject": schemas.SUBJECT, "schema_version": schemas.CURRENT}


def _made(access: Access, **columns: Any) -> Topic | None:
    """A new topic that the worker will make, None if its name is taken."""
    made = Topic(project=access.project, created_by=access.user, **columns)
    try:
        with transaction.atomic():
            made.save()
    except IntegrityError:
        return None
    ask_on_commit(TASK, made.pk)
    return made


def _ask_anew(topic: Topic, revision: Revision) -> None:
    """A topic that could not be made so far is made as the newest revision asks for it."""
    numbers = {"partitions": revision.topic_partitions, "replication": revision.topic_replication}
    is_otherwise = Q(state=Topic.State.FAILED) | (Q(state=Topic.State.WAITING) & ~Q(**numbers))
    found = Topic.objects.filter(is_otherwise, pk=topic.pk)
    if found.update(**numbers, state=Topic.State.WAITING, problem=""):
        ask_on_commit(TASK, topic.pk)


def _check_schema(project: Project, asked: WantedTopic) -> None:
    """Raises ServingError for a version of a subject that is another schema already."""
    if not asked.schema:
        return
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)  # so that two cannot come at once
    now = queries.registered(project, asked.subject, asked.schema_version)
    if now is not None and json.loads(now.schema) != json.loads(asked.schema):
        raise ServingError(
            f"Version {asked.schema_version} of {asked.subject} is another schema already, that of the topic {now}; "
            "give this one another version.",
            field="schema_version",
        )


def _same_or_taken(project: Project, existing: Topic, asked: WantedTopic) -> Topic:
    if existing.project_id == project.pk and not existing.is_deleted:
        now = {name: getattr(existing, name) for name in asdict(asked)}
        if now == asdict(asked):
            return existing
        raise TopicTaken(
            f"There is a topic {existing} in {project} already, and it is another one; choose another name.",
            field="name",
        )
    raise TopicTaken(f"The name {existing} is taken in this installation; choose another one.", field="name")
