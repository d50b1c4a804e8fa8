"""What one process answers with: data plane, connections and books, put together from the settings."""

import asyncio
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from hopyard.server import keys
from hopyard.server.batcher import BatchLimits
from hopyard.server.books import Books
from hopyard.server.config import Config
from hopyard.server.dataplane import DataPlane
from hopyard.server.flavors import Model
from hopyard.server.http.connections import Connections
from hopyard.server.http.limits import HttpLimits
from hopyard.server.http.protocol import Handler, HttpProtocol
from hopyard.server.http.requests import RequestIds
from hopyard.server.inference_log import mlrun
from hopyard.server.inference_log.log import COUNTS, InferenceLog
from hopyard.server.loading import Loading
from hopyard.server.metrics import Metrics
from hopyard.server.pages import Scrape
from hopyard.server.routes import Routes
from hopyard.server.runners import ModelThread

LEAVE_SECONDS = 3.0
CLOSING_SECONDS = 1.5
"""After the time for calls in flight, at most: whoever stops us waits two seconds more before it kills."""
LEAST_SECONDS = 1.0  # for the inference log
IDLE_GRACE_SECONDS = 1.0
NEWCOMER_SECONDS = 1.0
POLL_SECONDS = 0.02
STOPPING = "The server is stopping."

Batching = dict[str, BatchLimits]


@dataclass(frozen=True, slots=True)
class Told:
    """A served model, as far as whoever started the server wants to know."""

    name: str
    style: str
    verbs: list[str]
    operations: list[str]
    has_tensors: bool

    @classmethod
    def of(cls, model: Model) -> "Told":
        return cls(
            model.name, model.style, list(model.verbs), list(model.operations), model.tensors is not None
        )

    def __str__(self) -> str:
        ways = [*self.verbs, *(["infer"] if self.has_tensors else [])]
        return f"{self.name} serves {', '.join(dict.fromkeys([*ways, *filter(None, self.operations)]))}"


@dataclass(frozen=True, slots=True)
class Announcement:
    """The server is ready: where it listens, and what it serves."""

    host: str
    port: int
    grpc_port: int | None
    models: list[Told]


Announce = Callable[[Announcement], None]


class Answering:
    """Made on a running loop. `http` and `grpc` make the protocol of a new connection; `handle` answers requests
    in place of `routes`.
    """

    def __init__(
        self,
        settings: Config,
        *,
        thread: ModelThread,
        records: InferenceLog | None = None,
        plane: Callable[..., DataPlane] = DataPlane,
        scrape: Scrape | None = None,
        handle: Handler | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._settings = settings
        self._records = records
        self._deadline = 0.0
        self._messages: list[mlrun.Messages] = []
        self.thread = thread
        self.metrics = Metrics()
        self.dataplane = plane(
            settings.model_name,
            thread=thread,
            loop=loop,
            metrics=self.metrics,
            stuck_seconds=settings.stuck_seconds,
            concurrency=settings.max_concurrency,
        )
        if settings.script is None:
            self.dataplane.reason = "The transformer is loading."
        self.connections = Connections(loop, replica=settings.replica)
        self._keys = keys.of(settings)
        if self._keys is not None:
            self.connections.each_tick(self._keys.refresh)
        self._books = Books(
            self.metrics,
            records,
            latency_logging=settings.latency_logging,
            redacts=bool(settings.redaction),
        )
        self._limits, self._ids = HttpLimits(body_bytes=settings.max_body_bytes), RequestIds()
        self.routes = Routes(
            self.dataplane,
            keys=self._keys,
            books=self._books,
            server_version=version("hopyard"),
            scrape=scrape,
        )
        self._handle = handle or self.routes
        self.dataplane.changed = self.routes.rebuild
        self._watch()

    def http(self) -> asyncio.Protocol:
        """HTTP/1.1, or gRPC where a client speaks HTTP/2 at once."""
        return HttpProtocol(
            self._handle,
            connections=self.connections,
            ids=self._ids,
            limits=self._limits,
            http2=self.grpc if self._settings.enable_grpc else None,
        )

    def grpc(self) -> asyncio.Protocol:
        # Imported in the background once ready: it is a third of what the server takes to start.
        from hopyard.server.grpc import GrpcProtocol

        return GrpcProtocol(
            self.dataplane,
            books=self._books,
            keys=self._keys,
            connections=self.connections,
            ids=self._ids,
            limits=self._limits,
        )

    async def prepare(self, models: list[Model] | None = None) -> tuple[list[Model], Batching]:
        """Load, unless that is done, and predict the example. Raises Failure."""
        loading = Loading(self._settings, self.thread, self.metrics)
        if models is None:
            models = await loading.load()
        if self._settings.script is None:
            await self._predictors(models)
        return models, await loading.prove(models)

    async def _predictors(self, models: Sequence[Model]) -> None:
        """Wait until a transformer without a model of its own has somebody to ask."""
        while any(reasons := [model.trouble() for model in models]):
            self.dataplane.reason = "".join(reasons)
            await asyncio.sleep(POLL_SECONDS)

    def serve(self, models: Sequence[Model], batching: Batching) -> None:
        self.dataplane.serve(models, batching=lambda model: batching.get(model.key))
        if self._records is not None:
            self._records.start()
            if self._settings.topic_subject == mlrun.SUBJECT and self._settings.topic:
                self._messages = mlrun.connect(models, self._records.put_message)
        if self._settings.enable_grpc:
            asyncio.get_running_loop().run_in_executor(None, importlib.import_module, "hopyard.server.grpc")

    # The end: `leave`, `settle`, then no new connections, `finish` and `close`.

    def leave(self) -> None:
        """Not ready any more; what still comes is answered, and told to come no more."""
        self._deadline = asyncio.get_running_loop().time() + self._settings.drain_seconds
        self.dataplane.stop(STOPPING)
        self.connections.draining = True

    async def settle(self) -> None:
        """Wait while something is in flight, and a little for idle clients to ask once more and be told.

        Half of the drain time at most: clients that come again and again must not take it from the last of them.
        """
        now = asyncio.get_running_loop().time
        latest = self._deadline - self._settings.drain_seconds / 2
        grace = min(now() + IDLE_GRACE_SECONDS, latest)
        while now() < latest and (self._is_busy or (now() < grace and len(self.connections))):
            await asyncio.sleep(POLL_SECONDS)

    async def finish(self) -> None:
        """Answer what is left, now that no connection can be added. Who has connected just now may still ask."""
        now = asyncio.get_running_loop().time
        newcomers_until = min(now() + NEWCOMER_SECONDS, self._deadline)
        while now() < self._deadline:
            self.connections.close_idle(spare_newcomers=now() < newcomers_until)
            if not self._is_busy and not len(self.connections):
                return
            await asyncio.sleep(POLL_SECONDS)

    @property
    def _is_busy(self) -> bool:
        return self.connections.busy or self.metrics.in_flight > 0

    async def close(self) -> None:
        self.connections.close_all_idle()
        self.thread.stop()
        now = asyncio.get_running_loop().time
        left = self._deadline + CLOSING_SECONDS - now() if self._deadline else LEAVE_SECONDS
        latest = now() + min(max(left, LEAST_SECONDS), LEAVE_SECONDS)
        if not self.thread.busy:
            reserved = LEAST_SECONDS if self._records is not None else 0.0
            await asyncio.to_thread(self.thread.join, max(0.0, latest - reserved - now()))
        if self._records is not None:
            mlrun.close(self._messages)
            await asyncio.sleep(0)  # for what this has just put
            await self._records.close(latest - now())

    def _watch(self) -> None:
        plane, records = self.dataplane, self._records
        self.metrics.watch("hopyard_ready", "gauge", "1 when ready.", lambda: float(not plane.trouble))

        def count(name: str) -> Callable[[], float]:
            return lambda: records.counts[name] if records is not None else 0

        for name in COUNTS:
            kind, tail = ("gauge", "") if name == "waiting" else ("counter", "_total")
            about = f"Inference records {name}."
            self.metrics.watch(f"hopyard_inference_log_{name}{tail}", kind, about, count(name))
        self.metrics.watch(
            "hopyard_inference_log_events_dropped_total",
            "counter",
            "CloudEvents of calls that no collector has got.",
            lambda: records.events_dropped if records is not None else 0,
        )


def inference_log(settings: Config, *, writer: str) -> InferenceLog | None:
    """The log of this process, where one is wanted; each `writer` has files of its own."""
    if settings.inference_logging == "NONE":
        return None
    has_sink = bool(settings.kafka_brokers or settings.control_url or settings.topic_dir)
    if not (settings.topic and has_sink) and not settings.events_url:
        return None
    return InferenceLog(settings, writer=writer)
