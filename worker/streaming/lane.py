"""The requests of one serving, from its topic to its replicas, for as long as it is wanted."""

import logging
import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, Error, close_old_connections

from serving.topics.broker import Broker, BrokerAway, BrokerError, Reader
from worker.streaming import replicas
from worker.streaming.askers import Askers
from worker.streaming.counting import Counts
from worker.streaming.pacing import Memory
from worker.streaming.publishing import Publisher
from worker.streaming.session import Session
from worker.streaming.wanted import Stream

LOOK_EVERY_SECONDS = 0.5
CLOSED_SECONDS = 0.5  # between two looks whether somebody is ready
TROUBLE_SECONDS = 2.0
FINISH_SECONDS = 8.0
LAG_UNKNOWN_SECONDS = 5.0  # for so long it is nobody's worry, as while readers join
NOBODY_READY = "No replica is ready."

log = logging.getLogger(__name__)


class Lane:
    """Reads only while a replica is ready. `step` is one turn; `run` takes them until it is told to stop. What goes
    wrong with the broker or the database ends the session, is said in the input topic's row, and is tried again.
    """

    def __init__(self, stream: Stream, broker: Broker, *, at_once: int) -> None:
        self.stream = stream
        self._broker = broker
        self._at_once = at_once
        self._replicas = replicas.Replicas(timeout_seconds=settings.INFERENCE_TIMEOUT_SECONDS)
        self._askers = Askers(at_once, name=f"asker of {stream.serving}")
        self._counts = Counts()
        self._memory = Memory()
        self._reader: Reader | None = None
        self._publisher: Publisher | None = None
        self._session: Session | None = None
        self._looked_at = 0.0
        self._lag: int | None = None
        self._lag_unknown_at: float | None = None
        self._pause: Callable[[float], object] = time.sleep

    def run(self, over: threading.Event) -> None:
        self._pause = over.wait
        try:
            while not over.is_set():
                self.step()
        finally:
            self.stop()

    def step(self) -> None:
        """One turn; returns soon, whatever happens."""
        try:
            self._turn()
        except (BrokerError, Error) as error:
            self._trouble(error)
        except Exception as error:
            log.exception("The requests of %s could not be gone on with", self.stream.input_topic)
            self._trouble(error)

    def stop(self) -> None:
        """Wait a little for what is being asked, and let go of the topic."""
        try:
            self._close()
            self._tell()
        except (BrokerError, Error) as error:
            log.warning("%s was left with requests that come again: %s", self.stream.input_topic, error)
            self._abandon()
        finally:
            self._askers.close()
            self._replicas.close()
            close_old_connections()

    def _turn(self) -> None:
        self._look()
        if not self._replicas.door.is_open:
            self._close()
            if self._counts.is_due():
                self._counts.problem = NOBODY_READY
                self._tell()
            self._pause(CLOSED_SECONDS)
            return
        session = self._session or self._open()
        session.turn()
        if self._counts.is_due():
            self._counts.problem = self._look_at_lag(session)
            self._tell()

    def _look_at_lag(self, session: Session) -> str:
        """What keeps it from being known, if that lasts; nothing ends for it, and what it was last stays."""
        now = time.monotonic()
        try:
            self._lag, self._lag_unknown_at = session.lag(), None
        except BrokerError as error:
            self._lag_unknown_at = self._lag_unknown_at or now
            return error.reason if now - self._lag_unknown_at >= LAG_UNKNOWN_SECONDS else ""
        return ""

    def _look(self) -> None:
        """Whom to ask, from the database, as it was a moment ago at most."""
        if time.monotonic() - self._looked_at >= LOOK_EVERY_SECONDS:
            close_old_connections()
            self._replicas.use(replicas.door(self.stream.serving_id))
            self._looked_at = time.monotonic()

    def _open(self) -> Session:
        self._publisher = publisher = Publisher(self._broker, self.stream)
        publisher.prepare()
        self._reader = self._broker.reader(group=self.stream.group)
        self._reader.subscribe([self.stream.input_topic])
        self._lag_unknown_at = None
        self._session = Session(
            self._reader,
            publisher,
            self._replicas,
            askers=self._askers,
            counts=self._counts,
            memory=self._memory,
            at_once=self._at_once,
        )
        log.info("%s is asked from %s", self.stream.serving, self.stream.input_topic)
        return self._session

    def _close(self) -> None:
        if self._session is not None:
            try:
                self._session.finish(FINISH_SECONDS)
            finally:
                self._abandon()
            log.info("%s is no longer asked from %s", self.stream.serving, self.stream.input_topic)

    def _abandon(self) -> None:
        reader, self._reader, self._session = self._reader, None, None
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            publisher.close()
        if reader is not None:
            reader.close()

    def _tell(self) -> None:
        self._counts.tell(self.stream.input_topic, self._lag)

    def _trouble(self, error: Exception) -> None:
        reason = error.reason if isinstance(error, BrokerError) else f"{type(error).__name__}: {error}"
        if reason != self._counts.problem:
            level = logging.INFO if isinstance(error, BrokerAway) else logging.WARNING
            log.log(level, "The requests of %s wait: %s", self.stream.input_topic, reason)
        self._counts.problem = reason
        telling = [] if isinstance(error, DatabaseError) else [self._tell]
        for go_on in (self._abandon, *telling, close_old_connections):
            try:
                go_on()
            except Exception as another:  # must not end the thread
                log.warning("The requests of %s wait on: %s", self.stream.input_topic, another)
        self._pause(TROUBLE_SECONDS)
