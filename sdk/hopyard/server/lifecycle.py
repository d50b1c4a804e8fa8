"""From start to exit: listen, load, become ready, wait for a signal, drain."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import uvloop

from hopyard.server import config, output, reports
from hopyard.server.calls import Books
from hopyard.server.config import Config
from hopyard.server.connections import Connections
from hopyard.server.dataplane import DataPlane
from hopyard.server.failures import Failure, one_line, whole_traceback

try:
    from hopyard.server.grpc import GrpcProtocol
except ImportError:
    GrpcProtocol = None
from hopyard.server.http import HttpProtocol
from hopyard.server.inference_log import DirectorySink, InferenceLog, Origin
from hopyard.server.keys import KeyRing
from hopyard.server.limits import HttpLimits
from hopyard.server.listeners import Listener, bind
from hopyard.server.loading import Loading
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
        self._listeners: list[Listener] = []
        self._shared: Listener | None = None

    async def run(self) -> None:
        self._assemble(asyncio.get_running_loop())
        stop = _stop_signal()
        await self._open()
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
        self._thread = ModelThread(loop)
        self._metrics = Metrics()
        self._dataplane = DataPlane(
            settings.model_name,
            thread=self._thread,
            loop=loop,
            metrics=self._metrics,
            stuck_seconds=settings.stuck_seconds,
            concurrency=settings.max_concurrency,
        )
        self._connections = Connections(loop, replica=settings.replica)
        self._log = _inference_log(settings)
        keys = KeyRing(settings.keys_file) if settings.keys_file else None
        if keys is not None:
            self._connections.each_tick(keys.refresh)
        self._watch()
        books = Books(self._metrics, self._log, latency_logging=settings.latency_logging)
        self._factories(keys, books)

    def _factories(self, keys: KeyRing | None, books: Books) -> None:
        """What answers on a connection: HTTP/1.1, or gRPC where a client speaks HTTP/2 at once."""
        routes = Routes(self._dataplane, keys=keys, books=books, server_version=version("hopyard"))
        self._dataplane.changed = routes.rebuild
        limits, ids = HttpLimits(body_bytes=self._settings.max_body_bytes), RequestIds()
        connections = self._connections

        def grpc() -> GrpcProtocol:
            return GrpcProtocol(
                self._dataplane, books=books, keys=keys, connections=connections, ids=ids, limits=limits
            )

        other = grpc if self._settings.enable_grpc and GrpcProtocol else None

        def http() -> HttpProtocol:
            return HttpProtocol(routes, connections=connections, ids=ids, limits=limits, http2=other)

        self._http: Callable[[], asyncio.Protocol] = http
        self._grpc: Callable[[], asyncio.Protocol] = grpc

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

    async def _open(self) -> None:
        """Listen on the ports of this replica alone, which answer from the start."""
        settings = self._settings
        await self._listen(settings.port, self._http)
        host, port = self._listeners[0].address
        if settings.address_file:
            _publish(settings.address_file, host, port)
        log.info("Listening on %s:%d", host, port)
        if settings.grpc_port is not None and settings.enable_grpc:
            await self._listen(settings.grpc_port, self._grpc)
            log.info("Listening for gRPC on %s:%d", *self._listeners[-1].address)

    async def _listen(self, port: int, factory: Callable[[], asyncio.Protocol]) -> None:
        listener = Listener(bind(self._settings.host, port), factory)
        await listener.join()
        self._listeners.append(listener)

    async def _start(self) -> None:
        """Load, predict the example, and only then join the shared port and be ready."""
        settings = self._settings
        if settings.shared_port is not None:
            bound = bind(settings.shared_host, settings.shared_port, shared=True)
            self._shared = Listener(bound, self._http)
        loading = Loading(settings, self._thread, self._metrics)
        models = await loading.load()
        batching = await loading.prove(models)
        if self._shared:
            await self._shared.join()
        self._dataplane.serve(models, batching=lambda model: batching.get(model.name))
        for model in models:
            verbs = ", ".join([*model.verbs, *(["infer"] if model.tensors else [])])
            log.info("Ready: %s serves %s", model.name, verbs)

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
        for listener in self._listeners:
            await listener.leave()
        self._connections.close_idle()
        self._thread.stop()
        if self._log is not None:
            await asyncio.to_thread(self._log.close, LEAVE_SECONDS)


def _publish(address_file: Path, host: str, port: int) -> None:
    try:
        reports.write_address(address_file, host, port)
    except OSError as error:
        reason = f"HOPYARD_ADDRESS_FILE is {address_file}, which cannot be written: {error.strerror}."
        raise Failure("ConfigurationInvalid", reason) from None


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
