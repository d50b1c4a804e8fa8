"""The log consumer's loop: messages of the registered topics into the database, for as long as both can be reached.

A message is done with once its record is in the database: for folders the offsets are written in the transaction that
stores it, for Kafka after it. Whoever dies in between stores it again, which changes nothing.
"""

import contextlib
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from serving.models import Topic
from serving.topics import schemas
from serving.topics.broker import Broker, BrokerError, Message, StillJoining
from worker.consuming import batch, counting, describing, storing
from worker.topics import installed

log = logging.getLogger(__name__)

GROUP = "records"
POLL_SECONDS = 1.0
TOPICS_SECONDS = 2.0
DESCRIBED_SECONDS = 15.0
LONGEST_WAIT_SECONDS = 10.0
MOST_MESSAGES = {"postgresql": 5000}  # at a time
MOST_MESSAGES_ELSEWHERE = 500  # SQLite has one writer at a time: the web must not wait long for its turn
ALIVE = "consumer-alive"


class Consumer:
    """One member of the group; `wait` returns early, and true, when it is to end."""

    def __init__(self, broker: Broker, wait: Callable[[float], bool]) -> None:
        self._broker = broker
        self._reader = broker.reader(group=GROUP)
        self._wait = wait
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._topics: dict[str, Topic] = {}
        self._topics_at = self._described_at = -DESCRIBED_SECONDS
        self._is_untold = False
        self._pause = 0.0  # before the next try, where the last one failed

    def run(self, is_over: Callable[[], bool]) -> None:
        try:
            while not is_over():
                close_old_connections()
                self._say_alive()
                self.go_on()
        finally:
            self.close()

    def step(self, *, seconds: float = POLL_SECONDS) -> int:
        """Store what came, at most so many messages; return how many there were.

        Raises BrokerError while the broker, and DatabaseError while the database cannot be used.
        """
        self._look_for_topics()
        if not self._topics:
            self._wait(seconds)
            return 0
        most = MOST_MESSAGES.get(connection.vendor, MOST_MESSAGES_ELSEWHERE)
        messages = self._reader.poll(seconds=seconds, most=most)
        if messages:
            self._store(messages)
        return len(messages)

    def describe(self) -> None:
        """Note how large the topics are and, where it is known, how much of them is still to be read."""
        with contextlib.suppress(BrokerError):  # the last number stays
            counting.set_lag(self._reader.lag(), reader=self._name if installed.has_kafka() else GROUP)
        describing.describe(self._broker)

    def close(self) -> None:
        self._reader.close()

    def go_on(self) -> None:
        """A step, and what is due beside it; trouble is waited out."""
        try:
            self.step()
            if time.monotonic() - self._described_at >= DESCRIBED_SECONDS:
                self._described_at = time.monotonic()
                self._describe_if_possible()
        except (BrokerError, DatabaseError, InterfaceError) as error:
            self._be_troubled(error)
        except Exception as error:
            log.exception("Inference records could not be stored")
            self._be_troubled(error)
        else:
            if self._pause:
                log.info("Inference records are stored again")
            self._pause = 0.0

    def _describe_if_possible(self) -> None:
        """A broker that does not tell how large its topics are can still be read."""
        try:
            self.describe()
            self._is_untold = False
        except BrokerError as error:
            if not self._is_untold:
                log.warning("It is not known how large the topics are: %s", error)
            self._is_untold = True

    def _be_troubled(self, error: Exception) -> None:
        """Say it once, and begin again where the group is: what was read since is not in the database."""
        if not self._pause:
            log.warning("Inference records wait in their topics: %s", str(error).strip())
        self._pause = min(max(self._pause * 2, POLL_SECONDS), LONGEST_WAIT_SECONDS)
        self._reader.close()
        self._reader = self._broker.reader(group=GROUP)
        self._topics_at = -TOPICS_SECONDS
        if not connection.in_atomic_block:
            connection.close()
        self._wait(self._pause)

    def _look_for_topics(self) -> None:
        if time.monotonic() - self._topics_at < TOPICS_SECONDS:
            return
        self._topics = {topic.name: topic for topic in registered()}
        self._reader.subscribe(self._topics.keys())
        self._topics_at = time.monotonic()

    def _store(self, messages: Sequence[Message]) -> None:
        in_folders = not installed.has_kafka()
        found = batch.of(messages, self._topics, datetime.now(UTC))
        storing.store(found, finish=self._reader.commit if in_folders else _nothing)
        if not in_folders:
            with contextlib.suppress(StillJoining):  # what comes again for it is in the database already
                self._reader.commit()

    @staticmethod
    def _say_alive() -> None:
        """What a health check looks at."""
        (settings.DATA_DIR / ALIVE).touch()


def registered() -> list[Topic]:
    """The topics of inference records that are there."""
    subjects = [schemas.SUBJECT, schemas.MLRUN]
    found = Topic.objects.filter(state=Topic.State.READY, is_deleted=False, subject__in=subjects)
    readable = [each for each in found.select_related("project") if _is_readable(each)]
    return sorted(readable, key=lambda topic: topic.name)


def _is_readable(topic: Topic) -> bool:
    """Version 4 has one record for a question and one for its answer, which no serving of ours writes."""
    return topic.subject == schemas.MLRUN or topic.schema_version in schemas.WRITTEN


def _nothing() -> None:
    pass


def run(is_over: threading.Event) -> None:
    """Consume until told to stop."""
    broker = installed.broker()
    Consumer(broker, is_over.wait).run(is_over.is_set)
