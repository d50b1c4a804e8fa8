"""Keeps the output of the replicas at an engine in files, live, so that their logs are read like those of local ones
and outlive them.

Each output is copied by a thread of its own, which goes on where the file ends. One keeper works at a time; another
one waits for its lock.
"""

import fcntl
import logging
import threading
from pathlib import Path

from django.conf import settings
from docker.errors import DockerException

from worker import installed
from worker.deployers.following import Engine, Output, Silence
from worker.kept_log import KeptLog

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
AT_AN_ENGINE = {"docker", "swarm"}


def is_needed() -> bool:
    """Whether replicas of this installation may write anywhere but into files."""
    return not AT_AN_ENGINE.isdisjoint(settings.DEPLOYERS)


def run(is_over: threading.Event) -> None:
    """Copy every output until told to stop; an engine that does not answer is asked again."""
    settings.LOG_DIR.mkdir(parents=True, exist_ok=True)
    with (settings.LOG_DIR / "keeper.lock").open("w") as lock:
        while not _is_mine(lock.fileno()):
            if is_over.wait(LOOK_SECONDS):
                return
        keeper: Keeper | None = None
        was_silent = False
        while not is_over.wait(LOOK_SECONDS):
            try:
                keeper = keeper or Keeper(_engine(), settings.LOG_DIR)
                keeper.look()
                was_silent = False
            except Silence as silence:
                if not was_silent:
                    log.warning("No logs of containers are kept while the engine is silent: %s", silence)
                was_silent = True
            except Exception:
                log.exception("Looking for the outputs of replicas failed")


class Keeper:
    """Copies the outputs at one engine into `<folder>/<serving>/<replica>.log`."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._folder = folder
        self._copies: dict[str, threading.Thread] = {}
        self._finished: set[str] = set()

    def look(self) -> bool:
        """Have every output copied that is not; whether all have ended and been read to their end. Raises Silence."""
        outputs = self._engine.outputs()
        self._finished &= {each.path for each in outputs if not each.is_live}
        self._copies = {path: copy for path, copy in self._copies.items() if copy.is_alive()}
        for output in outputs:
            if output.path not in self._finished | self._copies.keys():
                copy = threading.Thread(target=self._copy, args=[output], daemon=True)
                self._copies[output.path] = copy
                copy.start()
        return not self._copies

    def _copy(self, output: Output) -> None:
        """Until the stream ends; an ended output is finished when it has been read to its end once."""
        path = self._folder / output.serving / f"{output.replica}.log"
        try:
            kept = KeptLog(path)
            try:
                for line in self._engine.lines(output, kept.since):
                    kept.write(line)
            finally:
                kept.close()
        except Silence as silence:
            log.debug("Following %s/%s: %s", output.serving, output.replica, silence)
        except OSError as error:
            log.warning("The log of %s/%s cannot be written: %s", output.serving, output.replica, error)
        else:
            if not output.is_live:
                self._finished.add(output.path)


def _engine() -> Engine:
    try:
        return Engine(
            settings.DOCKER_URL,
            installation=installed.installation(),
            services="swarm" in settings.DEPLOYERS,
        )
    except DockerException as error:
        raise Silence(str(error)) from error


def _is_mine(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
