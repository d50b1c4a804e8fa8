"""The process that loads a script once and is forked into workers.

It is forked itself from the supervisor, before that has an event loop, and loads in its main thread, so that
nothing of a loop or a thread is inherited by a worker, and so that a script which hangs or crashes while it is
loaded leaves the supervisor free to answer. Once loaded it only waits to be told to fork. What it loaded is
then shared: pages are copied when written to, and the garbage collector, which writes to what it looks at, is
told to look at none of it.
"""

import gc
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from hopyard.server import verification
from hopyard.server.config import Config
from hopyard.server.failures import Failure, one_line, whole_traceback
from hopyard.server.flavors import Model
from hopyard.server.loading import load_script, load_transformer
from hopyard.server.metrics import Metrics
from hopyard.server.processes.forking import die_with, obstacle, open_files
from hopyard.server.processes.worker import Worker, run_worker
from hopyard.server.runners import ModelThread
from hopyard.server.transformers import loading as transformers
from hopyard.server.transformers import remote

LONGEST_MESSAGE = 128 * 1024
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)

log = logging.getLogger(__name__)


class Seat:
    """The place a model was loaded for, filled by each worker with its own thread and metrics."""

    def __init__(self) -> None:
        self._thread: ModelThread | None = None
        self._metrics: Metrics | None = None

    def take(self, thread: ModelThread, metrics: Metrics) -> None:
        self._thread, self._metrics = thread, metrics

    def call(self, function: Callable[[], Any]) -> Awaitable[Any]:
        if self._thread is None:
            raise RuntimeError("nothing is served yet, so there is no thread to call in")
        return self._thread.call(function)

    def observe(self, model: str, stage: str, seconds: float) -> None:
        if self._metrics is not None:
            self._metrics.observe_stage(model, stage, seconds)


class Template:
    """Runs in the forked process, and never returns from `run`."""

    def __init__(self, settings: Config, end: socket.socket) -> None:
        self._settings = settings
        self._end = end
        self._seat = Seat()
        self._handed_over = False
        self._known = set(open_files())

    def run(self) -> None:
        """Load, fork when told to, and end the process."""
        try:
            for number in SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            models = self._load()
            if not self._handed_over:
                self._serve(models)
        except Failure as failure:
            self._tell(failure=[failure.code, failure.reason, failure.evidence])
        except BaseException as error:
            reason = f"The server failed by a fault of its own, {one_line(error)}; please report it."
            self._tell(failure=["Internal", reason, whole_traceback(error)])
        finally:
            _end(0)  # what there is to say was said

    def _load(self) -> list[Model]:
        verification.verify(self._settings)
        if self._settings.script is None:
            return [remote.model(self._settings)]
        return load_script(
            self._settings, in_thread=self._seat.call, observe=self._seat.observe, hand_over=self._serve
        )

    def _serve(self, models: Sequence[Model]) -> None:
        """Be forked until the server stops. What cannot be forked ends here, and workers load for themselves."""
        self._handed_over = True
        if self._settings.transformer is not None:
            models = transformers.before(models, load_transformer(self._settings))
        why = obstacle(self._known)
        if why:
            self._tell(obstacle=why)
            _end(0)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # it ends with the supervisor, after its children
        gc.collect()
        gc.freeze()
        self._tell(loaded=True)
        while (told := self._told()) is not None:
            message, descriptors = told
            if "fork" in message:
                self._tell(pid=self._fork(list(models), message["fork"], descriptors))
            else:
                self._tell(status=_status(message["reap"]))

    def _fork(self, models: list[Model], number: int, descriptors: list[int]) -> int:
        parent = os.getpid()
        pid = os.fork()
        if pid:
            for descriptor in descriptors:
                os.close(descriptor)
            return pid
        try:
            die_with(parent)
            self._end.close()
            for each in SIGNALS:
                signal.signal(each, signal.SIG_DFL)
            _differ()
            link, connections = (socket.socket(fileno=each) for each in descriptors)
            worker = Worker(self._settings, number, link, connections, loaded=(models, self._seat.take))
            _end(run_worker(worker))
        finally:
            _end(3)
        return 0

    def _told(self) -> tuple[dict[str, Any], list[int]] | None:
        text, descriptors, _, _ = socket.recv_fds(self._end, LONGEST_MESSAGE, 2, socket.MSG_CMSG_CLOEXEC)
        message = json.loads(text) if text else {"stop": True}
        return None if "stop" in message else (message, list(descriptors))

    def _tell(self, **message: Any) -> None:
        self._end.send(json.dumps(message).encode())


def start(settings: Config, *, not_its_own: Sequence[socket.socket]) -> tuple[int, socket.socket]:
    """Fork the template; return its process id and the supervisor's end of the line to it. A port that stayed
    open in a child could not be left any more.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    parent = os.getpid()
    pid = os.fork()
    if pid:
        theirs.close()
        ours.setblocking(False)
        return pid, ours
    try:
        die_with(parent)
        for each in (ours, *not_its_own):
            each.close()
        Template(settings, theirs).run()
    finally:
        os._exit(3)


def _status(pid: int) -> int:
    """Exit code of a child that has ended, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _differ() -> None:
    """Workers must not draw the same random numbers; Python's own generator sees to that by itself."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def _end(status: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # the script closed it, or nobody reads it
            continue
    os._exit(status)
