"""Runs the platform's programs on one machine: starts them, restarts what dies, stops all of it in order."""

import contextlib
import ctypes
import fcntl
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import httpx
from django.conf import settings
from django.db import connections

from accounts import work
from serving.models import Preflight, Replay, Serving
from worker import control, installed
from worker.deployers.base import Deployer, DeployerError, Phase, ReplicaStatus, ServingSpec
from worker.deployers.several import PartlySeen
from worker.gateway import installation

log = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1
LONGEST_PAUSE_SECONDS = 10.0
STEADY_SECONDS = 30.0
PATIENCE_SECONDS = 15.0
ONE_WISH_SECONDS = 2.0
NETWORK_LOOK_SECONDS = 15.0


@dataclass
class Program:
    """A child process that should always be there; `also_at` is an address it listens on that may change."""

    name: str
    command: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)
    also_at: str | None = None
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0
    pause: float = 0.5
    restart_at: float = field(default=0.0)

    def start(self) -> None:
        self.process = subprocess.Popen(
            [*self.command, *(["--bind", self.also_at] if self.also_at else [])],
            cwd=settings.BASE_DIR,
            env={**os.environ, **self.variables},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_end_with_the_supervisor,  # noqa: PLW1509 - the supervisor has one thread
        )
        self.started_at = time.monotonic()
        self.restart_at = 0.0

    def watch(self) -> None:
        """Start the program again if it died, later each time it dies soon."""
        now = time.monotonic()
        if self.process is None:
            if now >= self.restart_at:
                self.start()
        elif (code := self.process.poll()) is not None:
            lived_long = now - self.started_at > STEADY_SECONDS
            self.pause = 0.5 if lived_long else min(self.pause * 2, LONGEST_PAUSE_SECONDS)
            log.warning("%s ended with %s; starting it again in %.0f s", self.name, code, self.pause)
            self.process, self.restart_at = None, now + self.pause

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            log.warning("%s does not end; killing it", self.name)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None


def programs(*, web_workers: int) -> list[Program]:
    """The gateway if there is one, web, worker, beat, log consumer and streamer, in the order in which they stop."""
    python = sys.executable
    has_gateway = installation.is_on()
    bind = f"unix:{installation.web_socket()}" if has_gateway else settings.BIND
    gunicorn = [python, "-m", "gunicorn", "config.wsgi", "--bind", bind, "--worker-class", "gthread"]
    limits = [
        "--workers",
        str(web_workers),
        "--threads",
        str(settings.WEB_THREADS),
        "--timeout",
        "120",
        "--graceful-timeout",
        "10",
    ]
    celery = [python, "-m", "celery", "--quiet", "-A", "config"]
    worker = ["worker", "--pool", "threads", "--concurrency", "8", "--loglevel", "WARNING"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    beat = [
        "beat",
        "--schedule",
        str(settings.DATA_DIR / "beat-schedule"),
        "--pidfile=",
        "--loglevel",
        "WARNING",
    ]
    return [
        *([Program("gateway", installation.command())] if has_gateway else []),
        Program(
            "web",
            [*gunicorn, *limits, "--log-level", "warning"],
            {"HOPYARD_BEHIND_GATEWAY": "on"} if has_gateway else {},
            also_at=control.bind(),
        ),
        Program("beat", [*celery, *beat]),
        Program("worker", [*celery, *worker, *quiet]),
        Program("log consumer", [python, str(settings.BASE_DIR / "manage.py"), "consume"]),
        Program("streamer", [python, str(settings.BASE_DIR / "manage.py"), "stream"]),
    ]


def run(family: list[Program], *, on_ready: Callable[[], None]) -> None:
    """Keep the family running until SIGINT or SIGTERM, then stop it and every replica."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    stopping = _StopFlag()
    connections.close_all()
    work.ask_on_commit("worker.reconcile_all")
    work.ask_on_commit("worker.report_interpreters")
    is_announced = False
    look_at = time.monotonic() + NETWORK_LOOK_SECONDS
    try:
        while not stopping.is_set:
            if time.monotonic() >= look_at:
                follow_network(family)
                look_at = time.monotonic() + NETWORK_LOOK_SECONDS
            for program in family:
                program.watch()
            if not is_announced and _web_answers():
                is_announced = True
                on_ready()
            time.sleep(0.2)
    finally:
        log.info("Stopping")
        for program in family:
            program.stop()
        stop_replicas()


def follow_network(family: Sequence[Program]) -> None:
    """Have the web listen where replicas in containers look for it, once their engine says where that is."""
    for web in (program for program in family if program.name == "web"):
        if (found := control.moved(web.also_at)) is not None:
            log.info("The web listens for replicas at %s from now", found)
            web.also_at = found
            web.stop()
            web.start()


def stop_replicas() -> None:
    """End every replica of this installation; what is wanted stays wanted, for the next start."""
    deployer = installed.deployer()
    names = _names()
    deadline = time.monotonic() + settings.STOP_GRACE_SECONDS + 5
    while names and time.monotonic() < deadline:
        names = {name for name in names if not _ended(deployer, name)}
        time.sleep(0.1)
    if names:
        log.warning("Some replicas did not end in time: %s", ", ".join(sorted(names)))


def _names() -> set[str]:
    """What deployers know servings, pre-flights and replays by; those of this machine also if the database forgot."""
    folders = {path.name for path in settings.REPLICA_DIR.glob("*")}
    rows: list[Serving | Preflight | Replay] = [*Serving.objects.select_related("project")]
    rows += [each for each in Preflight.objects.all() if not each.is_finished]
    rows += [each for each in Replay.objects.all() if not each.is_finished]
    return folders | {each.key for each in rows}


def _ended(deployer: Deployer, name: str) -> bool:
    """Tell the replicas of a name to end, again and again, since one that does not is ended by force later on. Of
    those at an engine that is away nobody can say more.
    """
    try:
        with contextlib.suppress(DeployerError):  # what did not end is told again, or is named at last
            deployer.apply(ServingSpec(name=name, host="", port=0, keys_file=settings.KEYS_DIR))
        return _have_exited(deployer.status(name))
    except PartlySeen as error:
        if not _have_exited(error.seen):
            return False
        log.warning("Not everything of %s could be stopped: %s", name, error)
        return True
    except DeployerError as error:
        log.warning("%s could not be stopped: %s", name, error)
        return True


def _have_exited(replicas: Sequence[ReplicaStatus]) -> bool:
    return all(replica.phase == Phase.EXITED for replica in replicas)


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[bool]:
    """Whether this is the only supervisor of a data folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "up.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


class _StopFlag:
    """Set by the first SIGINT or SIGTERM; another one later on gets the default treatment.

    The same wish often arrives twice at once, from the terminal and from make: that is one.
    """

    def __init__(self) -> None:
        self.is_set = False
        self.set_at = 0.0
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._set)

    def _set(self, number: int, _: FrameType | None) -> None:
        if not self.is_set:
            self.is_set, self.set_at = True, time.monotonic()
        elif time.monotonic() - self.set_at > ONE_WISH_SECONDS:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


def _web_answers() -> bool:
    try:
        return httpx.get(f"http://{settings.BIND}/health/", timeout=1, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _end_with_the_supervisor() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
