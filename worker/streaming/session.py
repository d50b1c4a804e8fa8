"""Requests under way between one reading of a topic's offsets and the next: read, asked, answered, committed.

Nothing of a session is kept: whatever ends it before a commit, trouble or a kill, the requests since the last commit
are read again by the next one, so that each is answered at least once. A commit is for all that was read, so it waits
for a moment at which nothing is under way; `Pace` brings that moment about.
"""

import heapq
import itertools
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue

from serving.topics.broker import BrokerAway, Message, Reader, StillJoining
from worker.streaming import replies, writing
from worker.streaming.askers import Askers
from worker.streaming.counting import Counts
from worker.streaming.pacing import Memory, Pace, Place
from worker.streaming.publishing import Answer, Letter, Publisher
from worker.streaming.replicas import Replicas
from worker.streaming.replies import Reply
from worker.streaming.requests import Request, Unusable, read

IDLE_SECONDS = 0.25  # how long is waited for a message when nothing is under way
BUSY_SECONDS = 0.005  # and when answers may come meanwhile
MOST_BYTES = 64 * 1024 * 1024  # of requests under way


@dataclass(slots=True)
class _Job:
    message: Message
    request: Request
    failed: int = 0

    @property
    def place(self) -> Place:
        return self.message.partition, self.message.offset


class Session:
    """`at_once` requests are asked at a time, and as many more wait for their turn. For one thread."""

    def __init__(
        self,
        reader: Reader,
        publisher: Publisher,
        replicas: Replicas,
        *,
        askers: Askers,
        counts: Counts,
        memory: Memory,
        at_once: int,
    ) -> None:
        self._reader = reader
        self._publisher = publisher
        self._replicas = replicas
        self._askers = askers
        self._counts = counts
        self._memory = memory
        self._most = 2 * at_once
        self._jobs = 0
        self._bytes = 0
        self._asking = 0
        self._later: list[tuple[float, int, _Job]] = []
        self._numbers = itertools.count()
        self._came: SimpleQueue[tuple[_Job, Reply]] = SimpleQueue()
        self._pace = Pace()
        self._must_read = False  # a reader that is still joining gets on only while it reads

    def turn(self) -> None:
        """One round of everything; waits a little where there is nothing to do. Raises BrokerError."""
        now = time.monotonic()
        if self._may_read(now):
            self._must_read = False
            messages = self._reader.poll(seconds=self._patience(), most=self._most - self._jobs)
            self._pace.was_read(len(messages), now)
            self._take(messages)
            self._settle(self._arrived(seconds=0))
            is_idle = not messages
        else:
            self._settle(self._arrived(seconds=0.05))
            is_idle = False
        self._ask_again()
        self._commit(is_idle=is_idle)

    def finish(self, seconds: float) -> None:
        """Read no more, wait for what is being asked, and commit if nothing is left."""
        deadline = time.monotonic() + seconds
        while self._asking and (left := deadline - time.monotonic()) > 0:
            self._settle(self._arrived(seconds=left))
        self._commit(is_idle=True)

    def lag(self) -> int:
        """What is still to be read, and what is under way. Raises BrokerError while it is not known."""
        waiting = self._reader.lag()
        if not waiting:
            raise BrokerAway("LagUnknown", "Kafka does not let us read all partitions of the topic for now.")
        return sum(waiting.values()) + self._jobs

    def _may_read(self, now: float) -> bool:
        has_room = self._jobs < self._most and self._bytes < MOST_BYTES
        return self._must_read or (has_room and self._pace.may_read(now, is_waiting=bool(self._later)))

    def _patience(self) -> float:
        if self._asking or not self._came.empty():
            return BUSY_SECONDS
        if self._later:
            return min(IDLE_SECONDS, max(0.0, self._later[0][0] - time.monotonic()))
        return IDLE_SECONDS

    def _take(self, messages: Iterable[Message]) -> None:
        unusable: list[Letter] = []
        for message in messages:
            try:
                request = read(message)
            except Unusable as refusal:
                unusable.append(Letter(message, refusal.code, refusal.reason, is_ours=True))
                continue
            job = _Job(message, request)
            job.failed = self._memory.get(job.place, 0)
            self._jobs += 1
            self._bytes += len(request.body)
            self._ask(job)
        self._put_aside(unusable)

    def _ask(self, job: _Job) -> None:
        self._asking += 1
        self._askers.put(partial(self._asked, job))

    def _asked(self, job: _Job) -> None:
        """In a thread of the askers. Whatever happens, the job comes back."""
        reply = Reply(502, problem="The platform failed to ask for it; its log has the cause.")
        try:
            reply = self._replicas.ask(job.request)
        finally:
            self._came.put((job, reply))

    def _arrived(self, *, seconds: float) -> list[tuple[_Job, Reply]]:
        """What has come by now; waited for a first one so long."""
        found: list[tuple[_Job, Reply]] = []
        try:
            found.append(self._came.get(timeout=seconds) if seconds > 0 else self._came.get_nowait())
            while True:
                found.append(self._came.get_nowait())
        except Empty:
            return found

    def _settle(self, arrived: Iterable[tuple[_Job, Reply]]) -> None:
        """Publish the answers, put aside what is hopeless, and have the others asked again later."""
        answers: list[Answer] = []
        letters: list[Letter] = []
        over: list[_Job] = []
        for job, reply in arrived:
            self._asking -= 1
            before, job.failed = job.failed, replies.failures(reply, job.failed)
            if reply.is_answer:
                over.append(job)
                value = writing.answer(job.message, job.request, reply, self._publisher.serving)
                answers.append(Answer(job.message, value, job.failed + 1))
            elif replies.is_hopeless(reply, job.failed):
                over.append(job)
                code, reason = writing.reason_of(reply)
                is_ours = bool(reply.problem)
                letters.append(Letter(job.message, code, reason, reply.status, job.failed, is_ours=is_ours))
            else:
                self._counts.failed += job.failed - before
                self._postpone(job)
        letters += self._publisher.answers(answers)
        self._counts.answered += len(answers)
        self._put_aside(letters)
        for job in over:
            self._forget(job)

    def _put_aside(self, letters: list[Letter]) -> None:
        self._publisher.put_aside(letters)
        self._counts.dead += len(letters)

    def _postpone(self, job: _Job) -> None:
        self._memory.note(job.place, job.failed)
        due = time.monotonic() + replies.pause_seconds(job.failed)
        heapq.heappush(self._later, (due, next(self._numbers), job))

    def _ask_again(self) -> None:
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            self._ask(heapq.heappop(self._later)[2])

    def _forget(self, job: _Job) -> None:
        self._memory.pop(job.place, None)
        self._jobs -= 1
        self._bytes -= len(job.request.body)

    def _commit(self, *, is_idle: bool) -> None:
        now = time.monotonic()
        if not self._jobs and self._pace.is_due(now, is_idle=is_idle):
            try:
                self._reader.commit()
            except StillJoining:
                self._must_read = True
            else:
                self._pace.committed()
