"""What a handful of messages comes to: records of servings that are the topic's own, and messages nobody can use."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from serving.models import DeadLetter, Serving, Topic
from serving.records import fields
from serving.topics import schemas
from serving.topics.broker import Message
from worker.consuming import avro, mlrun
from worker.consuming.owners import Owners
from worker.consuming.rows import Row
from worker.consuming.said import Origin, Reader, Said, Unusable

log = logging.getLogger(__name__)

LARGEST_KEPT = 64 * 1024  # bytes of a message that could not be used
NO_MESSAGE = "its bytes are no message: they were cut off, or something else wrote them"


@dataclass(frozen=True, slots=True)
class Entry:
    """A record's row and the message it came in."""

    row: Row
    topic: Topic
    message: Message


@dataclass
class Batch:
    """`forgotten` counts by topic the records of servings that were deleted."""

    entries: list[Entry] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    forgotten: dict[str, int] = field(default_factory=lambda: defaultdict(int))


def of(messages: Sequence[Message], topics: Mapping[str, Topic], now: datetime) -> Batch:
    """Read the messages and find out whose they are; those of topics that are gone are left out."""
    batch = Batch()
    read: list[tuple[Topic, Message, list[Said]]] = []
    for message in messages:
        if (topic := topics.get(message.topic)) is not None:
            try:
                read.append((topic, message, _read(topic, message, now)))
            except Unusable as why:
                batch.dead.append(dead_letter(topic, message, f"This message cannot be used: {why}."))
            except Exception as error:  # whatever a message holds, it must not stop the others
                log.exception("A message of %s could not be read", topic)
                reason = f"This message cannot be used: reading it failed with {type(error).__name__}."
                batch.dead.append(dead_letter(topic, message, reason))
    owners = Owners.of([(topic, call) for topic, _, calls in read for call in calls])
    for topic, message, calls in read:
        _sort(batch, owners, topic, message, calls)
    return batch


def dead_letter(topic: Topic, message: Message, reason: str) -> DeadLetter:
    value = message.skipped if message.value is None else message.value
    return DeadLetter(
        topic=topic,
        partition=message.partition,
        offset=message.offset,
        reason=reason,
        value=value[:LARGEST_KEPT],
        size=len(value),
    )


def _read(topic: Topic, message: Message, now: datetime) -> list[Said]:
    if message.value is None:
        raise Unusable(NO_MESSAGE)
    return _reader(topic)(message.value, Origin(message.topic, message.partition, message.offset, now))


def _reader(topic: Topic) -> Reader:
    if topic.subject == schemas.MLRUN:
        return mlrun.read
    return partial(avro.read, version=topic.schema_version or schemas.CURRENT)


def _sort(batch: Batch, owners: Owners, topic: Topic, message: Message, calls: Iterable[Said]) -> None:
    """Put each call of a message where it belongs."""
    problems = []
    for call in calls:
        serving = owners.find(topic, call)
        if serving is None:
            problems.append(_whose(topic, call))
        elif serving.is_deleted:
            batch.forgotten[topic.name] += 1
        else:
            row = _row(serving, owners.revision(serving, call), topic, call)
            batch.entries.append(Entry(row, topic, message))
    if problems:
        batch.dead.append(dead_letter(topic, message, f"This message cannot be used: {problems[0]}."))


def _whose(topic: Topic, call: Said) -> str:
    if call.serving is None:
        named = f"“{call.function}”" if call.function else "no function"
        return f"it names {named}, which is no serving of {topic.project.name} that this topic belongs to"
    return f"it is of a serving number {call.serving}, which {topic.project.name} has not"


def _row(serving: Serving, revision: int, topic: Topic, call: Said) -> Row:
    return Row(
        serving_id=serving.pk,
        topic=topic.name,
        request_id=call.request_id,
        revision=revision,
        replica=call.replica,
        model_version=call.model_version,
        protocol=call.protocol,
        verb=call.verb,
        status=call.status,
        requested_at=call.requested_at,
        duration_us=call.duration_us,
        queue_us=call.queue_us,
        preprocess_us=call.preprocess_us,
        predict_us=call.predict_us,
        postprocess_us=call.postprocess_us,
        inputs=call.inputs.text,
        inputs_bytes=call.inputs.bytes,
        inputs_sha256=call.inputs.sha256,
        outputs=call.outputs.text,
        outputs_bytes=call.outputs.bytes,
        outputs_sha256=call.outputs.sha256,
        fields=fields.of(call.inputs.text, call.outputs.text),
        error=call.error,
        key_id=call.key_id,
        sampling_percent=call.sampling_percent,
    )
