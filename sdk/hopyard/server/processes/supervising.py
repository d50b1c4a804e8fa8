"""The process that listens for several workers, or for one that is started again as its author edits.

It runs no user code. It accepts connections and passes them on, answers itself while there is nobody to pass
them to, joins the port shared with other replicas while a worker is ready, and stops everything on a signal.
"""

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from socket import socket

import uvloop

from hopyard.server import joining, verification
from hopyard.server.answering import STOPPING, Announce, Announcement
from hopyard.server.config import Config
from hopyard.server.dataplane import LOADING
from hopyard.server.failures import Failure
from hopyard.server.listeners import Acceptor, Ports, bind_shared, publish
from hopyard.server.processes import template
from hopyard.server.processes.forking import imports_never
from hopyard.server.processes.front import Front
from hopyard.server.processes.passing import GRPC, HTTP, Passed
from hopyard.server.processes.reloading import Watch
from hopyard.server.processes.signals import stop_signal
from hopyard.server.processes.starting import Forking, Spawning, Starter, Unforkable
from hopyard.server.processes.workers import FORKED_READY_SECONDS, Workers

EXTRA_SECONDS = 4.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the server was started with; `argv` and `environment` are those that a worker is started with."""

    settings: Config
    argv: Sequence[str]
    environment: Mapping[str, str]
    reloads: bool
    announce: Announce | None = None


def run(settings: Config, argv: Sequence[str], *, reloads: bool, announce: Announce | None) -> None:
    """Serve until told to stop. Raises Failure."""
    plan = Plan(settings, argv, dict(os.environ), reloads, announce)
    ports = Ports.bound(settings)
    started = None
    imported = imports_never(settings.script) or imports_never(settings.transformer)
    if imported and not reloads:
        log.info(
            "Each worker loads the script itself: it imports %s, which does not survive a fork", imported
        )
    elif not reloads:
        started = template.start(settings, not_its_own=ports.all)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Supervisor(plan, ports, started).run())


class Supervisor:
    """`started`: the process id of a template and the line to it; without one, workers load for themselves."""

    def __init__(self, plan: Plan, ports: Ports, started: tuple[int, socket] | None) -> None:
        self._plan = plan
        self._ports = ports
        self._settings = plan.settings
        self._started = started
        self._template: Forking | None = None
        self._workers: Workers | None = None
        self._acceptors: list[Acceptor] = []
        self._shared: Acceptor | None = None
        self._joining: asyncio.Future[None] | None = None
        self._is_announced = False
        self._is_stopping = False

    async def run(self) -> None:
        if self._started is not None:
            self._template = Forking(*self._started)
        self._front = Front(self._settings)
        stop = stop_signal()
        self._open()
        serving = asyncio.ensure_future(self._reload() if self._plan.reloads else self._serve())
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        has_failed = serving.done()
        serving.cancel()
        await asyncio.wait({serving})
        await self._close()
        if has_failed:
            serving.result()

    # Workers

    async def _serve(self) -> None:
        """Load once and fork, or have each worker load what is verified once. Raises Failure."""
        fallback = Spawning(self._plan.argv, self._plan.environment)
        starter: Starter = fallback
        if self._template is not None:
            try:
                await self._template.loaded()
                starter = self._template
            except Unforkable as reason:
                log.info("Each worker loads the script itself: %s", reason)
        else:
            await asyncio.to_thread(verification.verify, self._settings)
        self._workers = Workers(
            self._settings.workers,
            starter=starter,
            fallback=fallback,
            changed=self._changed,
            otherwise=self._front.take,
            forked_ready_seconds=min(FORKED_READY_SECONDS, self._settings.stuck_seconds),
        )
        await self._workers.run()

    async def _reload(self) -> None:
        """Serve, and do so again whenever a file is another than before."""
        watch = Watch(self._settings)
        while True:
            serving = asyncio.ensure_future(self._serve())
            changing = asyncio.ensure_future(watch.changed())
            try:
                await asyncio.wait({serving, changing}, return_when=asyncio.FIRST_COMPLETED)
                if serving.done():
                    self._show(serving)
                changed = await changing
            finally:
                changing.cancel()
                serving.cancel()
                await asyncio.wait({serving, changing})
            log.info("%s has changed; starting again", changed)
            self._front.failure = None
            await self._stop_workers()
            self._front.say(LOADING)

    def _show(self, serving: "asyncio.Future[None]") -> None:
        try:
            serving.result()
        except Failure as failure:
            log.error("%s", "\n".join(filter(None, (str(failure), failure.evidence))))
            log.info("Waiting for a change of the script")
            self._front.failure = failure

    async def _stop_workers(self) -> None:
        self._is_stopping = True
        if self._workers is not None:
            await self._workers.stop(self._settings.drain_seconds + EXTRA_SECONDS)
            self._workers = None
        self._is_stopping = False

    def _changed(self) -> None:
        """The first worker is ready, or none is any more."""
        workers = self._workers
        if workers is None or self._is_stopping:
            return
        if not workers.are_ready:
            self._front.say(workers.reason or "No worker is there at the moment.")
            self._leave_shared()
            return
        self._join_shared()
        for model in workers.models:
            log.info("Ready: %s", model)
        if self._plan.announce is not None and not self._is_announced:
            self._is_announced = True
            host, port = self._acceptors[0].address
            grpc_port = self._acceptors[1].address[1] if len(self._acceptors) > 1 else None
            self._plan.announce(Announcement(host, port, grpc_port, workers.models))

    # Ports

    def _open(self) -> None:
        settings = self._settings
        self._listen(self._ports.http, HTTP)
        host, port = self._acceptors[0].address
        if settings.address_file:
            publish(settings.address_file, host, port)
        log.info("Listening on %s:%d", host, port)
        if self._ports.grpc is not None:
            self._listen(self._ports.grpc, GRPC)
            log.info("Listening for gRPC on %s:%d", *self._acceptors[-1].address)
        self._take_shared(self._ports.shared)

    def _listen(self, bound: socket, kind: bytes) -> None:
        acceptor = Acceptor(bound, lambda connection: self._give(connection, kind))
        acceptor.join()
        self._acceptors.append(acceptor)

    def _take_shared(self, bound: socket | None) -> None:
        if bound is not None:
            self._shared = Acceptor(bound, lambda connection: self._give(connection, HTTP))

    def _join_shared(self) -> None:
        if self._shared is None:
            return
        if joining.is_allowed(self._settings):
            self._shared.join()
            joining.tell(self._settings)
        elif self._joining is None:
            self._joining = asyncio.ensure_future(self._join_later())

    async def _join_later(self) -> None:
        await joining.allowed(self._settings)
        self._joining = None
        if self._workers is not None and self._workers.are_ready and not self._is_stopping:
            self._join_shared()

    def _leave_shared(self) -> None:
        if self._shared is not None:
            self._shared.leave()
            self._take_shared(bind_shared(self._settings))

    def _give(self, connection: socket, kind: bytes) -> None:
        passed = Passed(connection, kind)
        if self._workers is None:
            self._front.take(passed)
        else:
            self._workers.give(passed)

    # The end

    async def _close(self) -> None:
        """Leave the shared port, have the workers answer what still comes, close the ports, and let them finish."""
        log.info("Stopping")
        self._front.say(STOPPING)
        if self._joining is not None:
            self._joining.cancel()
        if self._shared is not None:
            await self._shared.fade()
            self._shared.leave()
            self._shared = None
        if self._workers is not None:
            self._is_stopping = True
            await self._workers.leave(self._settings.drain_seconds)
        await asyncio.gather(*(acceptor.fade() for acceptor in self._acceptors))
        for acceptor in self._acceptors:
            acceptor.leave()
        await self._stop_workers()
        await self._front.close()
        if self._template is not None:
            await self._template.stop()
