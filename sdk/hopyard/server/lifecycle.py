"""From start to exit: listen, load, become ready, wait for a signal, drain."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

import uvloop

from hopyard.server import codec, config, loader, output, reports, shims
from hopyard.server.batcher import BatchLimits
from hopyard.server.config import Config
from hopyard.server.connections import Connections
from hopyard.server.dataplane import DataPlane
from hopyard.server.failures import Failure, one_line, trimmed_traceback, whole_traceback
from hopyard.server.flavors import Model
from hopyard.server.http import HttpProtocol
from hopyard.server.inference_log import DirectorySink, InferenceLog, Origin
from hopyard.server.keys import KeyRing
from hopyard.server.limits import HttpLimits
from hopyard.server.listeners import Listener, bind
from hopyard.server.metrics import Metrics
from hopyard.server.requests import RequestIds
from hopyard.server.routes import Routes
from hopyard.server.runners import ModelThread

FATAL_STATUS = 3
LEAVE_SECONDS = 3.0
IDLE_GRACE_SECONDS = 1.0
POLL_SECONDS = 0.02

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to stop. Returns the exit status: 0, or 3 after a fatal failure."""
    termination_file = config.termination_file()
    try:
        output.set_up()
        settings = config.read(argv)
        termination_file = settings.termination_file
        settings.export()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(Server(settings).run())
        status = 0
    except Failure as failure:
        _report(failure, termination_file)
        status = FATAL_STATUS
    except (Exception, asyncio.CancelledError) as error:
        reason = f"The server failed by a fault of its own, {one_line(error)}; please report it."
        _report(Failure("Internal", reason, whole_traceback(error)), termination_file)
        status = FATAL_STATUS
    _leave_soon(status)
    return status


class Server:
    """The parts of one running server, made in `run`."""

    def __init__(self, settings: Config) -> None:
        self._settings = settings
        self._shared: Listener | None = None

    async def run(self) -> None:
        self._assemble(asyncio.get_running_loop())
        stop = _stop_signal()
        await self._open_private()
        starting = asyncio.ensure_future(self._start())
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            await stopping
        starting.cancel()
        await self._drain()

    def _assemble(self, loop: asyncio.AbstractEventLoop) -> None:
        settings = self._settings
        batching = BatchLimits(rows=settings.max_batch_size) if settings.batching else None
        self._thread = ModelThread(loop)
        self._dataplane = DataPlane(
            settings.model_name,
            thread=self._thread,
            loop=loop,
            batching=batching,
            stuck_seconds=settings.stuck_seconds,
        )
        self._connections = Connections(loop, replica=settings.replica)
        self._log = _inference_log(settings)
        keys = KeyRing(settings.keys_file) if settings.keys_file else None
        if keys is not None:
            self._connections.each_tick(keys.refresh)
        self._metrics = Metrics()
        self._watch()
        routes = Routes(
            self._dataplane,
            version=settings.model_version,
            keys=keys,
            counters=self._metrics,
            inference_log=self._log,
        )
        limits, ids = HttpLimits(body_bytes=settings.max_body_bytes), RequestIds()
        self._factory = lambda: HttpProtocol(routes, connections=self._connections, ids=ids, limits=limits)

    def _watch(self) -> None:
        plane, records = self._dataplane, self._log
        self._metrics.watch("hopyard_ready", "gauge", "1 when ready.", lambda: float(not plane.trouble))
        for name in ("written", "dropped"):
            self._metrics.watch(
                f"hopyard_inference_log_{name}_total",
                "counter",
                f"Inference records {name}.",
                lambda name=name: getattr(records, name, 0),  # type: ignore[misc]
            )

    async def _open_private(self) -> None:
        self._private = Listener(bind(self._settings.host, self._settings.port), self._factory)
        await self._private.join()
        host, port = self._private.address
        if self._settings.address_file:
            _publish(self._settings.address_file, host, port)
        log.info("Listening on %s:%d", host, port)

    async def _start(self) -> None:
        """Load, predict the example, and only then join the shared port and be ready."""
        settings = self._settings
        if settings.shared_port is not None:
            bound = bind(settings.shared_host, settings.shared_port, shared=True)
            self._shared = Listener(bound, self._factory)
        model = await self._thread.call(lambda: _load(settings))
        await self._warm_up(model)
        if self._shared:
            await self._shared.join()
        self._dataplane.serve(model)
        log.info("Ready: %s serves %s", model.name, ", ".join(model.operations))

    async def _warm_up(self, model: Model) -> None:
        example = self._settings.input_example
        if example is None:
            return
        rows = _read_example(example)
        try:
            codec.encode(await self._dataplane.warm_up(model, rows))
        except BaseException as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            reason = f"The input example could not be predicted: {one_line(error)}; correct the script."
            code = "OutOfMemory" if isinstance(error, MemoryError) else "PredictFailed"
            raise Failure(code, reason, trimmed_traceback(error)) from None

    async def _drain(self) -> None:
        """Leave the shared port first, answer what is in flight, then let idle clients go."""
        log.info("Stopping")
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._dataplane.stop("The server is stopping.")
        self._connections.draining = True
        if self._shared is not None:
            await self._shared.leave()
        deadline = began + self._settings.drain_seconds
        grace = min(began + IDLE_GRACE_SECONDS, deadline)
        while loop.time() < deadline and (self._connections.busy or self._metrics.in_flight):
            await asyncio.sleep(POLL_SECONDS)
        while loop.time() < grace and len(self._connections):
            await asyncio.sleep(POLL_SECONDS)
        await self._private.leave()
        self._connections.close_idle()
        if self._log is not None:
            await asyncio.to_thread(self._log.close, LEAVE_SECONDS)


def _publish(address_file: Path, host: str, port: int) -> None:
    try:
        reports.write_address(address_file, host, port)
    except OSError as error:
        reason = f"HOPYARD_ADDRESS_FILE is {address_file}, which cannot be written: {error.strerror}."
        raise Failure("ConfigurationInvalid", reason) from None


def _load(settings: Config) -> Model:
    shims.install()
    if settings.script is None:
        raise Failure("ConfigurationInvalid", "No script was given.")
    return loader.load(settings.script, name=settings.model_name, files_dir=settings.files_dir)


def _read_example(path: Path) -> list[object]:
    try:
        return codec.decode_example(path.read_bytes())
    except OSError as error:
        raise Failure("ConfigurationInvalid", f"The input example {path} cannot be read: {error}.") from None
    except codec.BadBody as error:
        raise Failure("ConfigurationInvalid", f"The input example {path} is wrong. {error}") from None


def _inference_log(settings: Config) -> InferenceLog | None:
    if settings.topic_dir is None or not settings.topic or settings.inference_logging == "NONE":
        return None
    origin = Origin(
        project=settings.project,
        serving=settings.model_name,
        revision=settings.revision,
        replica=settings.replica,
        model_version=settings.model_version,
    )
    sink = DirectorySink(settings.topic_dir, settings.topic, settings.replica)
    return InferenceLog(sink, origin, mode=settings.inference_logging)


def _stop_signal() -> asyncio.Event:
    """The first TERM, INT or QUIT sets the event; a second one ends the process at once."""
    stop = asyncio.Event()

    def on_signal(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        loop.add_signal_handler(number, on_signal, number)
    return stop


def _report(failure: Failure, termination_file: Path | None) -> None:
    log.critical("%s: %s\n%s", failure.code, failure.reason, failure.evidence)
    if termination_file is None:
        return
    try:
        reports.write_termination(termination_file, failure)
    except OSError:
        log.exception("The termination file could not be written")


def _leave_soon(status: int) -> None:
    """User threads that are no daemons must not keep the process from exiting."""
    timer = threading.Timer(LEAVE_SECONDS, os._exit, (status,))
    timer.daemon = True
    timer.start()
