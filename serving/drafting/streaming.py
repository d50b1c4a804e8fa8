"""Checks the topics that a serving is asked and answers through, against the project."""

from django.db.models import QuerySet

from accounts.models import Project
from serving.errors import ServingError
from serving.models import Revision, Serving, Topic
from serving.settings import Settings
from serving.streaming import dead_topic
from serving.topics import queries, schemas

LONGEST_NAME = 249
TOPICS = ("input_topic", "output_topic")
RECORDS = frozenset({schemas.SUBJECT, schemas.MLRUN})


def check(project: Project, wanted: Settings) -> None:
    """Raises ServingError with the field that is wrong."""
    asked, answered = wanted.input_topic, wanted.output_topic
    if not asked and not answered:
        return
    if not asked:
        raise ServingError(
            "Answers go to an output topic only for requests of an input topic; name that too, or leave both out.",
            field="output_topic",
        )
    _check_topic(project, asked, "input_topic")
    _check_dead_letters(project, asked)
    _check_nobody_else(project, wanted)
    if answered:
        _check_topic(project, answered, "output_topic")
        _check_way(project, wanted)


def check_again(serving: Serving, revision: Revision) -> None:
    """As `check`, of a revision that was allowed once, before it becomes the current one. Raises NoSuchTopic too."""
    topics = {name: getattr(revision, name) for name in TOPICS}
    for name in filter(None, topics.values()):
        queries.topic(serving.project, name)
    try:
        check(serving.project, Settings(name=serving.name, script=revision.script_path, **topics))
    except ServingError as error:
        raise ServingError(f"Revision {revision.number} cannot become the current one: {error}") from None


def _check_topic(project: Project, name: str, field: str) -> None:
    topic = Topic.objects.filter(project=project, name=name, is_deleted=False).first()
    if topic is None:
        raise ServingError(
            f"There is no topic {name} in {project}; make it on the page Topics, or leave this empty.",
            field=field,
        )
    if topic.subject in RECORDS:
        raise ServingError(
            f"{name} is for records of calls (its subject is {topic.subject}); choose a topic without a subject, or "
            "with one of your own.",
            field=field,
        )


def _check_dead_letters(project: Project, asked: str) -> None:
    """What cannot be answered needs a place."""
    name = dead_topic(asked)
    if len(name) > LONGEST_NAME:
        raise ServingError(
            f"Requests that cannot be answered go to the topic {name[:60]}…, a name that is too long; choose an input "
            f"topic of at most {LONGEST_NAME - len(name) + len(asked)} characters.",
            field="input_topic",
        )
    there = Topic.objects.filter(name=name).first()
    if there is None:
        return
    if there.project_id != project.pk or there.is_deleted or there.subject:
        raise ServingError(
            f"Requests that cannot be answered would go to the topic {name}, which is there for something else; "
            "choose an input topic of another name.",
            field="input_topic",
        )


def _check_nobody_else(project: Project, wanted: Settings) -> None:
    """Two servings would both answer every request: each reads all of its topic."""
    others = _others(project, wanted).filter(revision__input_topic=wanted.input_topic)
    if (other := others.first()) is not None:
        raise ServingError(
            f"{other} is asked through {wanted.input_topic} already, and both would answer every request; make a topic "
            "for this serving, or take it away from the other one.",
            field="input_topic",
        )


def _check_way(project: Project, wanted: Settings) -> None:
    """Answers must not come back as requests, straight or through other servings."""
    if wanted.output_topic == wanted.input_topic:
        raise ServingError("Answers would come back as requests; choose another topic.", field="output_topic")
    if wanted.output_topic == dead_topic(wanted.input_topic):
        raise ServingError(
            f"{wanted.output_topic} is for the requests that cannot be answered; choose another topic.",
            field="output_topic",
        )
    others = _others(project, wanted).exclude(revision__output_topic="")
    onward = dict(others.values_list("revision__input_topic", "revision__output_topic"))
    seen = {wanted.input_topic}
    topic = wanted.output_topic
    while topic in onward and topic not in seen:
        seen.add(topic)
        topic = onward[topic]
    if topic == wanted.input_topic:
        raise ServingError(
            f"Answers in {wanted.output_topic} would come back to {wanted.input_topic} through other servings, without "
            "an end; choose another topic.",
            field="output_topic",
        )


def _others(project: Project, wanted: Settings) -> QuerySet[Serving]:
    """The servings of the project but the one that is being made or edited."""
    found = Serving.objects.filter(project=project, is_deleted=False, revision__isnull=False)
    return found.exclude(name__iexact=wanted.name)
