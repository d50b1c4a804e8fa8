"""Topics: where servings log their calls, and where they take requests from and answer."""

from __future__ import annotations

import base64
import builtins
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, Literal

from hopyard.client.errors import InvalidArgument
from hopyard.client.project import Project
from hopyard.client.settings import check_whole

MOST_MESSAGES = 1_000


@dataclass(frozen=True)
class TopicUse:
    """A serving that has the topic now; `role` is log, input, output or dead-letters."""

    serving: str
    role: str = "log"


@dataclass(frozen=True)
class TopicPartition:
    """`first` is the offset of its first message, `next` that of the one that will come."""

    id: str
    first: int = 0
    next: int = 0
    bytes: int = 0
    replicas: int = 1
    in_sync: int = 1


@dataclass(frozen=True)
class Topic:
    """A topic; `state` is waiting, ready or failed, and `problem` says what keeps it from being made.

    `subject` says what its messages are: inferenceschema with a `schema_version`, mlrunrecord, a name of the project's
    own, or empty for any form. `bytes` and `messages` are None where the broker has not told, or nobody has counted.
    `consumed` counts what was taken in: records `stored` and `skipped`, requests `answered`, `failed` and `dead`, and
    in `lag` what waits. In a list `partition_table` is left out.
    """

    name: str
    subject: str = ""
    schema_version: int | None = None
    partitions: int = 1
    replication: int = 1
    state: str = ""
    problem: str = ""
    bytes: int | None = None
    messages: int | None = None
    consumed: dict[str, Any] = field(default_factory=dict)
    servings: list[TopicUse] = field(default_factory=list)
    partition_table: list[TopicPartition] = field(default_factory=list)
    described_at: datetime | None = None
    created_by: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True)
class TopicSchema:
    """One version of what messages are: an Avro schema as an object."""

    subject: str
    version: int = 1
    schema: Any = None


@dataclass(frozen=True)
class DeadLetter:
    """A message that could not be used: `value` its first bytes in base64, `text` the same where they are text. Rules
    of redaction may have changed these, or left nothing; `size` is that of the message, in bytes.
    """

    partition: str
    offset: int = 0
    reason: str = ""
    size: int = 0
    value: str = ""
    text: str | None = None
    seen_at: datetime | None = None

    @property
    def data(self) -> bytes:
        return base64.b64decode(self.value)


@dataclass(frozen=True)
class _Published:
    published: int = 0


@dataclass(frozen=True)
class _Versions:
    versions: list[int]


class Topics:
    """Every method of one topic raises NotFound when there is none of that name."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._transport = project.transport

    def list(self) -> builtins.list[Topic]:
        """Those of the project by name."""
        return self._transport.records(Topic, self._project.path("topics"))

    def get(self, name: str) -> Topic:
        return self._transport.record(Topic, "GET", self._path(name))

    def create(
        self,
        name: str,
        *,
        subject: str = "",
        schema_version: int | None = None,
        schema: str | Mapping[str, Any] | builtins.list[Any] | None = None,
        partitions: int = 1,
        replication: int = 1,
    ) -> Topic:
        """Make a topic; the same once more returns the one there is. See Topic for `subject`; `schema` is an Avro
        schema, as an object or as its text in JSON.

        Raises Conflict when the name is taken by another one, BadRequest for a schema that is none.
        """
        check_whole("partitions", partitions, 1)
        check_whole("replication", replication, 1)
        body: dict[str, Any] = {"name": name, "partitions": partitions, "replication": replication}
        given = {"subject": subject or None, "schema_version": schema_version, "schema": schema}
        body |= {field: value for field, value in given.items() if value is not None}
        return self._transport.record(Topic, "POST", self._project.path("topics"), body=body)

    def delete(self, name: str) -> None:
        """Remove it with its messages. Raises Conflict while a serving uses it."""
        self._transport.delete(self._path(name))

    def publish(self, name: str, messages: Iterable[Any]) -> int:
        """Add messages, in order, and return how many. Each is a text, bytes, or anything else as its JSON.

        They are sent a thousand at a time; what was sent before an error stays.
        """
        found = [_bytes(message) for message in messages]
        starts = range(0, len(found), MOST_MESSAGES)
        return sum(self._send(name, found[start : start + MOST_MESSAGES]) for start in starts)

    def schema(self, name: str) -> TopicSchema:
        """What its messages are. Raises NotFound for a topic without a registered schema."""
        return self._transport.record(TopicSchema, "GET", self._path(name, "schema"))

    def dead_letters(self, name: str, *, most: int = 100) -> builtins.list[DeadLetter]:
        """The newest messages that could not be used, newest first."""
        check_whole("most", most, 1)
        found = self._transport.each(DeadLetter, self._path(name, "dead-letters"), page_size=min(most, 1000))
        return [*islice(found, most)]

    def schema_versions(self, subject: str) -> builtins.list[int]:
        """The versions of a schema that are registered, oldest first."""
        path = self._project.path("schemas", subject, "versions")
        return self._transport.record(_Versions, "GET", path).versions

    def schema_version(self, subject: str, version: int | Literal["latest"] = "latest") -> TopicSchema:
        path = self._project.path("schemas", subject, "versions", version)
        return self._transport.record(TopicSchema, "GET", path)

    def _send(self, name: str, messages: builtins.list[bytes]) -> int:
        try:
            body = {"messages": [message.decode() for message in messages], "encoding": "text"}
        except UnicodeDecodeError:
            encoded = [base64.b64encode(message).decode() for message in messages]
            body = {"messages": encoded, "encoding": "base64"}
        return self._transport.record(_Published, "POST", self._path(name, "messages"), body=body).published

    def _path(self, name: str, *parts: str) -> str:
        return self._project.path("topics", name, *parts)


def _bytes(message: Any) -> bytes:
    if isinstance(message, bytes):
        return message
    if isinstance(message, str):
        return message.encode()
    try:
        return json.dumps(message, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"A message is a text, bytes, or what can be JSON: {error}.") from None
