"""Sends on what waits in files: for Kafka, what the web was given and what replicas left behind; without it, what is
left of a time with it.

`OUTBOX_DIR/<topic>/*.log` are such files. That of a replica is locked for as long as it lives, which sends it itself.
One forwarder works at a time; another one waits for its lock. What a death comes between is sent twice, which changes
nothing: a call is stored once.
"""

import fcntl
import logging
import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from serving.models import DeadLetter, Topic, TopicOffset
from serving.topics import folders, frames
from serving.topics.broker import Broker, BrokerAway, BrokerError, Message
from worker.consuming import storing
from worker.consuming.batch import Batch, dead_letter
from worker.topics import installed

log = logging.getLogger(__name__)

GROUP = "forwarder"
LOOK_SECONDS = 1.0
CHUNK_BYTES = 1024 * 1024
QUIET_SECONDS = 60  # what is cut off at the end of a file that nobody has written to since stays cut off
REFUSED = frozenset({"MessageTooLarge"})  # for what a message is, so that the next one may be sent
NOT_SENT = (
    "These bytes waited to be sent and are no message: they were cut off, or something else wrote them."
)


def run(is_over: threading.Event) -> None:
    """Forward until told to stop."""
    settings.OUTBOX_DIR.mkdir(parents=True, exist_ok=True)
    broker, was_away = installed.broker(), False
    with (settings.OUTBOX_DIR / "forwarder.lock").open("w") as lock:
        while not _is_mine(lock.fileno()):
            if is_over.wait(LOOK_SECONDS):
                return
        while not is_over.wait(LOOK_SECONDS):
            close_old_connections()
            try:
                forward(broker)
                was_away = False
            except Exception as error:
                is_known = isinstance(error, BrokerError | DatabaseError | InterfaceError | OSError)
                if not was_away:
                    sentence = "What waits in files is kept there: %s"
                    log.warning(sentence, str(error).strip(), exc_info=not is_known)
                was_away = True
                connection.close()


def forward(broker: Broker) -> int:
    """Send what waits now; return how many messages. Raises BrokerAway."""
    if not settings.OUTBOX_DIR.is_dir():
        return 0
    waiting = {path.name: path for path in settings.OUTBOX_DIR.iterdir() if path.is_dir()}
    topics = Topic.objects.filter(name__in=waiting, state=Topic.State.READY, is_deleted=False)
    sent, trouble = 0, None
    for topic in topics:
        try:
            if not installed.has_kafka():
                broker.create(topic.name, partitions=1, replication=1)  # Kafka had it so far
            for path in folders.files(waiting[topic.name]):
                sent += _Waiting(broker, topic, path).send()
        except BrokerAway:
            raise
        except BrokerError as error:  # of this topic; the others' messages are sent
            trouble = error
    if trouble is not None:
        raise trouble
    return sent


class _Waiting:
    """A file of messages for a topic."""

    def __init__(self, broker: Broker, topic: Topic, path: Path) -> None:
        self._broker = broker
        self._topic = topic
        self._path = path
        self._place = f"{path.parent.name}/{path.name}"

    def send(self) -> int:
        """All of it, and remove it; return how many messages were in it."""
        sent = 0
        with suppress(FileNotFoundError), self._path.open("rb") as file:
            if not _is_free(file):
                return 0
            position = self._position()
            while found := _frames(file, position):
                position = found[-1].position
                sent += self._publish(found)
                self._save(position)
            self._remove(file, position)
        return sent

    def _publish(self, found: Sequence[frames.Frame]) -> int:
        values = [each.value for each in found if each.value is not None]
        letters = [self._letter(each, NOT_SENT) for each in found if each.value is None]
        try:
            self._broker.publish(self._topic.name, values)
        except BrokerAway:
            raise
        except BrokerError as error:
            if error.code not in REFUSED:
                raise
            letters += [letter for each in found if (letter := self._refused(each)) is not None]
        if letters:
            storing.store(Batch(dead=letters), finish=lambda: None)
        return len(values)

    def _refused(self, one: frames.Frame) -> DeadLetter | None:
        """Send it alone; the letter of one that Kafka will never take."""
        try:
            self._broker.publish(self._topic.name, [] if one.value is None else [one.value])
        except BrokerError as error:
            if error.code not in REFUSED:
                raise
            return self._letter(one, f"Kafka refuses this message: {error.reason}")
        return None

    def _letter(self, one: frames.Frame, reason: str) -> DeadLetter:
        found = Message(self._topic.name, self._place, one.start, one.value, skipped=one.skipped)
        return dead_letter(self._topic, found, reason)

    def _position(self) -> int:
        found = TopicOffset.objects.filter(group=GROUP, path=self._place).first()
        return found.position if found else 0

    def _save(self, position: int) -> None:
        TopicOffset.objects.update_or_create(group=GROUP, path=self._place, defaults={"position": position})

    def _remove(self, file: BinaryIO, position: int) -> None:
        """Unless somebody goes on with it; writers look under the lock whether it is there still."""
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file.fileno()).st_size == position:
                TopicOffset.objects.filter(group=GROUP, path=self._place).delete()
                self._path.unlink()


def _frames(file: BinaryIO, position: int) -> list[frames.Frame]:
    """The next ones; where a message is larger than usual, as many bytes as it needs."""
    size = CHUNK_BYTES
    while True:
        about = os.fstat(file.fileno())
        data = os.pread(file.fileno(), size, position)
        is_end = position + len(data) >= about.st_size
        is_closed = is_end and time.time() - about.st_mtime > QUIET_SECONDS
        found = list(frames.read(data, position, is_end=is_end, is_closed=is_closed))
        if found or is_end:
            return found
        size *= 2


def _is_free(file: BinaryIO) -> bool:
    """Whether its writer has ended, or writes only now and then, as the web does."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(file, fcntl.LOCK_UN)
    return True


def _is_mine(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
