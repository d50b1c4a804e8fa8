"""Puts answers into the output topic, and requests that cannot be answered into the topic of dead letters."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from serving.models import DeadLetter, Topic
from serving.texts import storable
from serving.topics.broker import Broker, BrokerError, Message
from worker.streaming import writing
from worker.streaming.hiding import Hiding, Reason, Shown
from worker.streaming.wanted import Stream
from worker.topics import making

KEPT_LETTERS = 1000
TOO_LARGE = "MessageTooLarge"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """An answer to a message, as it is written."""

    message: Message
    value: bytes
    attempts: int


@dataclass(frozen=True)
class Letter:
    """A message that is put aside; `status` is the replica's, None where none was asked. `is_ours`: the reason is the
    platform's own, and quotes nothing of the message.
    """

    message: Message
    code: str
    reason: str
    status: int | None = None
    attempts: int = 0
    is_ours: bool = False


class Publisher:
    """Writes for one stream, and is to be closed. Calls raise BrokerError where the topic itself is in trouble."""

    def __init__(self, broker: Broker, stream: Stream) -> None:
        self._broker = broker
        self._stream = stream
        self._hiding = Hiding(stream.serving_id)
        self.serving = stream.serving

    def close(self) -> None:
        self._hiding.close()

    def prepare(self) -> None:
        """Make the topic of dead letters, a topic of the project as the input topic is. One that is another
        project's gets nothing.
        """
        found = self._input_topic()
        if found is None:
            raise BrokerError("NoSuchTopic", f"There is no topic {self._stream.input_topic} any more.")
        dead, _ = Topic.objects.get_or_create(
            name=self._stream.dead_topic,
            defaults={"project": found.project, "replication": found.replication},
        )
        if dead.project_id != found.project_id or dead.is_deleted:
            raise BrokerError(
                "DeadTopicTaken",
                f"The requests of {found} that cannot be answered would go to {dead}, which is another project's or "
                "about to be deleted; choose another input topic, or wait until it is gone.",
            )
        making.bring_about(dead, self._broker)
        Topic.objects.filter(pk=dead.pk).exclude(state=Topic.State.READY).update(
            state=Topic.State.READY, problem=""
        )

    def answers(self, answers: Sequence[Answer]) -> list[Letter]:
        """Write them; returned are those that the topic does not take, being too large."""
        if not self._stream.output_topic or not answers:
            return []
        keys = [each.message.key for each in answers]
        try:
            self._broker.publish(self._stream.output_topic, [each.value for each in answers], keys=keys)
        except BrokerError as error:
            if error.code != TOO_LARGE:
                raise
            if len(answers) > 1:
                return [letter for each in answers for letter in self.answers([each])]
            (only,) = answers
            return [
                Letter(
                    only.message,
                    "AnswerTooLarge",
                    f"It was answered, but {error.reason}",
                    200,
                    only.attempts,
                    is_ours=True,
                )
            ]
        return []

    def put_aside(self, letters: Sequence[Letter]) -> None:
        """Into the topic of dead letters, and where the input topic's page shows them."""
        if not letters:
            return
        letters = [replace(each, reason=storable(each.reason)) for each in letters]
        shown = self._shown(letters)
        first = letters[0]
        log.warning(
            "%s of %s: put aside, the first at %s:%d: %s",
            "1 request" if len(letters) == 1 else f"{len(letters)} requests",
            first.message.topic,
            first.message.partition,
            first.message.offset,
            shown[0].reason,
        )
        self._write(letters)
        self._keep(letters, shown)

    def _write(self, letters: Sequence[Letter]) -> None:
        values = [writing.dead(each.message, **self._said(each)) for each in letters]
        keys = [each.message.key for each in letters]
        try:
            self._broker.publish(self._stream.dead_topic, values, keys=keys)
        except BrokerError as error:
            if error.code != TOO_LARGE:
                raise
            if len(letters) > 1:
                for each in letters:
                    self._write([each])
                return
            (only,) = letters
            short = writing.dead_in_short(only.message, **self._said(only))
            self._broker.publish(self._stream.dead_topic, [short], keys=keys)

    def _input_topic(self) -> Topic | None:
        """None once it is gone, though another project may have one of its name."""
        its = Topic.objects.filter(name=self._stream.input_topic, is_deleted=False)
        return its.filter(project__servings=self._stream.serving_id).first()

    def _said(self, letter: Letter) -> dict[str, Any]:
        return {
            "code": letter.code,
            "reason": letter.reason,
            "status": letter.status,
            "attempts": letter.attempts,
            "serving": self._stream.serving,
        }

    def _shown(self, letters: Sequence[Letter]) -> list[Shown]:
        """What pages show of them."""
        told = [
            (each.message, Reason(each.reason, is_ours=each.is_ours, status=each.status)) for each in letters
        ]
        return self._hiding.shown(told)

    def _keep(self, letters: Sequence[Letter], shown: Sequence[Shown]) -> None:
        topic = self._input_topic()
        if topic is None:
            return
        rows = [
            DeadLetter(
                topic=topic,
                partition=each.message.partition,
                offset=each.message.offset,
                reason=kept.reason,
                value=kept.value[: writing.KEPT_BYTES],
                size=len(each.message.value or each.message.skipped),
            )
            for each, kept in zip(letters, shown, strict=True)
        ]
        DeadLetter.objects.bulk_create(rows, ignore_conflicts=True)
        oldest = DeadLetter.objects.filter(topic=topic).order_by("-id").values_list("id", flat=True)
        if beyond := oldest[KEPT_LETTERS : KEPT_LETTERS + 1].first():
            DeadLetter.objects.filter(topic=topic, id__lte=beyond).delete()
