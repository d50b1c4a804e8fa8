"""One replica's process seen from the server: started, asked, and replaced when it ends."""

import asyncio
import logging
import subprocess
import sys
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from queue import Empty, SimpleQueue
from typing import Any

from hopyard.server.failures import Failure
from hopyard.server.flavors.kserve.wire import Answer, Description, Question, Refusal, Spec
from hopyard.server.replies import Problem

LOOK_SECONDS = 0.5
LEAVE_SECONDS = 5.0
MAX_PAUSE_SECONDS = 30.0
ENTRY = "hopyard.server.flavors.kserve.replica"

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Job:
    """A question on its way, and the future on the event loop that waits for its answer."""

    question: Question
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Answer]"

    def settle(self, answer: Answer) -> None:
        """Give the answer to whoever waits, if anybody does; from any thread."""
        try:
            self.loop.call_soon_threadsafe(self._deliver, answer)
        except RuntimeError:  # the loop has ended, and nobody waits any more
            log.debug("An answer came after the end")

    def _deliver(self, answer: Answer) -> None:
        if not self.future.done():
            self.future.set_result(answer)


class Keeper:
    """Keeps one process. `work` is run in a thread of its own, until `stopping` is set and a None is taken."""

    def __init__(
        self,
        spec: Spec,
        jobs: "SimpleQueue[Job | None]",
        environment: dict[str, str],
        stopping: threading.Event,
    ) -> None:
        self.is_up = False
        self.left = threading.Event()
        self.reason = ""
        self._spec = spec
        self._jobs = jobs
        self._environment = environment
        self._stopping = stopping
        self._connection: Connection[Any, Any] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Start the process; it constructs its object by itself."""
        ours, theirs = Pipe()
        number = theirs.fileno()
        command = [sys.executable, "-m", ENTRY, str(number)]
        self._process = subprocess.Popen(command, pass_fds=[number], env=self._environment)
        theirs.close()
        self._connection = ours
        ours.send(self._spec)

    def introduced(self) -> Description:
        """Wait until the process has constructed its object. Raises Failure."""
        assert self._connection is not None
        try:
            told = self._connection.recv()
        except (EOFError, OSError):
            told = Refusal(
                "LoadFailed",
                f"A replica of {self._spec.name} ended while it was constructed, {self._status()}; "
                "its log has the cause.",
                "",
            )
        if isinstance(told, Refusal):
            self.reason = told.reason
            raise told.raised()
        self.is_up, self.reason = True, ""
        description: Description = told
        return description

    def work(self) -> None:
        """Answer questions until there are no more."""
        while not self._stopping.is_set():
            if not self._is_alive():
                self._replace()
                continue
            try:
                job = self._jobs.get(timeout=LOOK_SECONDS)
            except Empty:
                continue
            if job is None:
                break
            job.settle(self._answer(job.question))
        self.end()
        self.left.set()

    def end(self) -> None:
        """Close the line, at which the process leaves."""
        self.is_up = False
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            try:
                self._process.wait(LEAVE_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _answer(self, question: Question) -> Answer:
        """A process that has gone unnoticed is replaced first: it never saw the question."""
        if not self._is_alive():
            self._replace()
        if not self.is_up or self._connection is None:
            return Answer.refusing(Problem(503, "The server is stopping.", "NotReady"))
        try:
            self._connection.send(question)
            answer: Answer = self._connection.recv()
        except (EOFError, OSError):
            self.is_up = False
            sentence = f"The replica that was answering ended, {self._status()}; another one takes its place."
            return Answer.refusing(Problem(500, sentence, "ReplicaEnded"))
        return answer

    def _replace(self) -> None:
        """Try until there is a process again; questions are for the others meanwhile."""
        self.is_up = False
        log.warning("A replica of %s ended, %s; it is replaced.", self._spec.name, self._status())
        pause = LOOK_SECONDS
        while not self._stopping.is_set():
            self.end()
            self.launch()
            try:
                self.introduced()
            except Failure as failure:
                log.error("A replica of %s cannot be replaced: %s", self._spec.name, failure.reason)
                self._stopping.wait(pause)
                pause = min(pause * 2, MAX_PAUSE_SECONDS)
            else:
                return

    def _is_alive(self) -> bool:
        return self.is_up and self._process is not None and self._process.poll() is None

    def _status(self) -> str:
        if self._process is None:
            return "before it began"
        try:
            code = self._process.wait(LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            return "without a status"
        return f"with status {code}" if code >= 0 else f"by signal {-code}"
