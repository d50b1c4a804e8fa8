"""From start to exit: listen, load, become ready, wait for a signal, drain."""

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence

import uvloop

from hopyard.server import config, joining, output, preflight, reports, verification
from hopyard.server.answering import Announce, Announcement, Answering, Told, inference_log
from hopyard.server.config import Config
from hopyard.server.failures import Failure, one_line, whole_traceback
from hopyard.server.listeners import Listener, bind, publish
from hopyard.server.processes import reloading, supervising
from hopyard.server.processes.signals import stop_signal
from hopyard.server.reports import Outlet
from hopyard.server.runners import ModelThread

FATAL_STATUS = 3
LEAVE_SECONDS = 3.0
Prepare = Callable[[Config], None]

log = logging.getLogger(__name__)


def main(
    argv: Sequence[str] | None = None, *, announce: Announce | None = None, prepare: Prepare | None = None
) -> int:
    """Serve until told to stop; `prepare` is called before anything is read but the settings, `announce` when ready.
    Returns the exit status: 0, or 3 after a fatal failure.
    """
    outlet = reports.outlet(*config.reporting())
    try:
        output.set_up()
        reloads, words = reloading.asked_for(sys.argv[1:] if argv is None else argv)
        settings = config.read(words)
        outlet = reports.outlet(settings.termination_file, settings.reports)
        settings.export()
        if prepare is not None:
            prepare(settings)
        status = 0
        if settings.preflight:
            status = _preflight(settings)
        elif reloads or settings.workers > 1:
            supervising.run(settings, words, reloads=reloads, announce=announce)
        else:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(Server(settings, announce).run())
    except Failure as failure:
        _report(failure, outlet)
        status = FATAL_STATUS
    except (Exception, asyncio.CancelledError) as error:
        reason = f"The server failed by a fault of its own, {one_line(error)}; please report it."
        _report(Failure("Internal", reason, whole_traceback(error)), outlet)
        status = FATAL_STATUS
    _leave_soon(status)
    return status


def _preflight(settings: Config) -> int:
    """Check instead of serving. What user code left running must not hold up the end."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        status = 0 if runner.run(preflight.run(settings)) else FATAL_STATUS
        _leave_soon(status)
    return status


class Server:
    """A server that is one process."""

    def __init__(self, settings: Config, announce: Announce | None = None) -> None:
        self._settings = settings
        self._announce = announce
        self._listeners: list[Listener] = []
        self._shared: Listener | None = None

    async def run(self) -> None:
        settings = self._settings
        self._answering = Answering(
            settings,
            thread=ModelThread(asyncio.get_running_loop()),
            records=inference_log(settings, writer=settings.replica),
        )
        stop = stop_signal()
        await self._open()
        starting = asyncio.ensure_future(self._start())
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            await stopping
        starting.cancel()
        await self._drain()

    async def _open(self) -> None:
        """Listen on the ports of this replica alone, which answer from the start."""
        settings = self._settings
        await self._listen(settings.port, self._answering.http)
        host, port = self._listeners[0].address
        if settings.address_file:
            publish(settings.address_file, host, port)
        log.info("Listening on %s:%d", host, port)
        if settings.grpc_port is not None and settings.enable_grpc:
            await self._listen(settings.grpc_port, self._answering.grpc)
            log.info("Listening for gRPC on %s:%d", *self._listeners[-1].address)

    async def _listen(self, port: int, factory: Callable[[], asyncio.Protocol]) -> None:
        listener = Listener(bind(self._settings.host, port), factory)
        await listener.join()
        self._listeners.append(listener)

    async def _start(self) -> None:
        """Load, predict the example, and only then join the shared port and be ready; or join it when told to."""
        settings = self._settings
        if settings.shared_port is not None:
            bound = bind(settings.shared_host, settings.shared_port, shared=True)
            self._shared = Listener(bound, self._answering.http)
        await asyncio.to_thread(verification.verify, settings)
        models, batching = await self._answering.prepare()
        is_early = joining.is_allowed(settings)
        if is_early:
            await self._join()
        self._answering.serve(models, batching)
        told = [Told.of(model) for model in models]
        for each in told:
            log.info("Ready: %s", each)
        if self._announce is not None:
            host, port = self._listeners[0].address
            grpc_port = self._listeners[1].address[1] if len(self._listeners) > 1 else None
            self._announce(Announcement(host, port, grpc_port, told))
        if not is_early:
            await joining.allowed(settings)
            await self._join()

    async def _join(self) -> None:
        if self._shared is not None:
            await self._shared.join()
            joining.tell(self._settings)

    async def _drain(self) -> None:
        """Leave the shared port first, answer what still comes, then leave the own ports and answer what is left."""
        log.info("Stopping")
        self._answering.leave()
        if self._shared is not None:
            await self._shared.leave()
        await self._answering.settle()
        await asyncio.gather(*(listener.leave() for listener in self._listeners))
        await self._answering.finish()
        await self._answering.close()


def _report(failure: Failure, outlet: Outlet | None) -> None:
    log.critical("%s", "\n".join(filter(None, (str(failure), failure.evidence))))
    if outlet is None:
        return
    try:
        reports.write_termination(outlet, failure)
    except OSError:
        log.exception("The failure could not be reported")


def _leave_soon(status: int) -> None:
    """User threads that are no daemons must not keep the process from exiting."""
    timer = threading.Timer(LEAVE_SECONDS, os._exit, (status,))
    timer.daemon = True
    timer.start()
