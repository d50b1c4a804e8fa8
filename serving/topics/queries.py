"""Reads over topics: who uses them, what is registered of their messages, what could not be used."""

import hashlib
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q, QuerySet

from accounts.models import Project
from serving import streaming
from serving.models import DeadLetter, Serving, Topic
from serving.topics import schemas
from serving.topics.errors import NoSuchTopic

LOG = "log"
INPUT = "input"
OUTPUT = "output"
DEAD = "dead-letters"
COLUMNS = {"topic": LOG, "input_topic": INPUT, "output_topic": OUTPUT}
LATEST = "latest"
RECORDS = (schemas.SUBJECT, schemas.MLRUN)
"""The subjects of topics that servings write inference records to."""


@dataclass(frozen=True)
class Use:
    """A serving that has a topic in its current revision or its canary: as log, input or output, or for the requests of
    its input that cannot be answered.
    """

    serving: str
    role: str


@dataclass(frozen=True)
class Schema:
    """What is registered of a subject under one version; `text` is an Avro schema in JSON."""

    subject: str
    version: int
    text: str

    @property
    def document(self) -> Any:
        return json.loads(self.text)

    @property
    def pretty(self) -> str:
        return json.dumps(self.document, indent=2, ensure_ascii=False)


def topics(project: Project) -> QuerySet[Topic]:
    """Those of the project by name, without those that are being deleted."""
    return Topic.objects.filter(project=project, is_deleted=False).select_related("created_by")


def find(project: Project, name: str) -> Topic | None:
    return topics(project).filter(name=name).first()


def topic(project: Project, name: str) -> Topic:
    found = find(project, name)
    if found is None:
        raise NoSuchTopic(f"There is no topic {name} in {project}.")
    return found


def search(project: Project, text: str) -> QuerySet[Topic]:
    """Topics whose name or subject contains every word of `text`."""
    found = topics(project)
    for word in text.split():
        found = found.filter(Q(name__icontains=word) | Q(subject__icontains=word))
    return found


def for_records(project: Project) -> list[str]:
    """Topics that a serving can log its calls to."""
    is_written = Q(subject=schemas.SUBJECT, schema_version__in=schemas.WRITTEN) | Q(subject=schemas.MLRUN)
    return list(topics(project).filter(is_written).values_list("name", flat=True))


def for_requests(project: Project) -> list[str]:
    """Topics that a serving can take requests from and answer into."""
    return list(topics(project).exclude(subject__in=RECORDS).values_list("name", flat=True))


def uses(project: Project, names: Collection[str]) -> dict[str, list[Use]]:
    """Who uses each of these topics, by the topics' names."""
    found: dict[str, list[Use]] = {name: [] for name in names}
    for column, role in COLUMNS.items():
        for name, serving in _named(project, column, names):
            found[name].append(Use(serving, role))
    asked = [name.removesuffix(streaming.DEAD) for name in names if name.endswith(streaming.DEAD)]
    for name, serving in _named(project, "input_topic", asked):
        found[streaming.dead_topic(name)].append(Use(serving, DEAD))
    return {name: sorted(set(them), key=_by_serving) for name, them in found.items()}


def _named(project: Project, column: str, names: Collection[str]) -> Iterator[tuple[str, str]]:
    """Each of these topics with the name of a serving that has it in this column of a revision."""
    for way in ("revision", "canary"):
        key = f"{way}__{column}"
        servings = Serving.objects.filter(project=project, is_deleted=False, **{f"{key}__in": names})
        yield from servings.values_list(F(key), "name")


def sharers(serving: Serving) -> list[str]:
    """The names of other servings that use the topic a serving logs to."""
    name = serving.current.topic
    found = uses(serving.project, [name])[name] if name else []
    return sorted({use.serving for use in found} - {serving.name})


def dead_letters(topic: Topic) -> QuerySet[DeadLetter]:
    """Newest first."""
    return topic.dead_letters.order_by("-id")


def schema(topic: Topic) -> Schema | None:
    """What its messages are, None where no schema is registered."""
    if topic.subject == schemas.SUBJECT and topic.schema_version in schemas.VERSIONS:
        return Schema(topic.subject, topic.schema_version, schemas.text(topic.schema_version))
    return Schema(topic.subject, topic.schema_version or 1, topic.schema) if topic.schema else None


def registered(project: Project, subject: str, number: int | None) -> Topic | None:
    """A topic that has this version of a subject of the project's own; all of them have the same schema."""
    return topics(project).filter(subject=subject, schema_version=number).exclude(schema="").first()


def versions(project: Project, subject: str) -> dict[int, str]:
    """The schemas of a subject by their versions, oldest first. Raises NoSuchTopic where there is none."""
    if subject.lower() == schemas.SUBJECT:
        return {number: schemas.text(number) for number in schemas.VERSIONS}
    rows = topics(project).filter(subject=subject).exclude(schema="").order_by("-pk")
    found = dict(rows.values_list("schema_version", "schema"))
    if not found:
        raise NoSuchTopic(f"There is no schema {subject} in {project}.")
    return {number or 1: found[number] for number in sorted(found, key=lambda each: each or 1)}


def version(project: Project, subject: str, asked: str) -> Schema:
    """One version by its number or the word latest. Raises NoSuchTopic where there is none."""
    found = versions(project, subject)
    if asked.lower() == LATEST:
        newest = max(found)
        return Schema(subject, newest, found[newest])
    number = int(asked) if asked.isascii() and asked.isdecimal() and len(asked) < 10 else 0
    if number not in found:
        known = ", ".join(map(str, found))
        raise NoSuchTopic(f"{subject} has no version {asked[:20]}; it has {known}.")
    return Schema(subject, number, found[number])


def list_tag(project: Project) -> str:
    """Changes whenever the list of topics would be shown differently."""
    found = topics(project).order_by("pk")
    rows = found.values_list("pk", "state", "problem", "described", "consumed")
    servings = Serving.objects.filter(project=project, is_deleted=False).order_by("pk")
    return _digest(list(rows), list(servings.values_list("name", "revision", "canary")))


def tag(topic: Topic) -> str:
    """Changes whenever the topic's page would be shown differently."""
    newest = dead_letters(topic).values_list("pk", flat=True).first()
    used = uses(topic.project, [topic.name])
    return _digest(topic.state, topic.problem, topic.described, topic.consumed, newest, used)


def _by_serving(use: Use) -> tuple[str, str]:
    return use.serving.lower(), use.role


def _digest(*facts: object) -> str:
    return hashlib.blake2b(repr(facts).encode(), digest_size=8).hexdigest()
