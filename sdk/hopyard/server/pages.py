"""What the server tells about itself and its models, and the repository's changes; all but inference."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import orjson

from hopyard.server import metrics
from hopyard.server.bodies import codec
from hopyard.server.books import Books
from hopyard.server.dataplane import DataPlane
from hopyard.server.documentation import page as docs
from hopyard.server.failures import without_text
from hopyard.server.hosted import Hosted
from hopyard.server.http.requests import Request
from hopyard.server.inference_log.log import InferenceLog
from hopyard.server.replies import Problem

WITHHELD = "its text may quote what the rules of redaction hide; the replica's log has it"
EXTENSIONS = ["model_repository", "binary_tensor_data", "model_repository_extension"]
Scrape = Callable[[], Coroutine[Any, Any, bytes]]


class Pages:
    """Answers to GET by path, and what `Routes` finds by pattern. `scrape` gives the metrics of all processes."""

    def __init__(
        self, dataplane: DataPlane, books: Books, *, server_version: str, scrape: Scrape | None
    ) -> None:
        self._dataplane = dataplane
        self._metrics = books.metrics
        self._log = books.log
        self._redacts = books.redacts
        self._server_version = server_version
        self._scrape_all = scrape
        self._tasks: set[asyncio.Task[None]] = set()
        self.by_path: dict[str, Callable[[Request], None]] = {
            "/": self._about,
            "/ready": self._ready,
            "/v1/models": self._list,
            "/v2": self._server,
            "/v2/models": self._list,
            "/v2/health": self._ready,
            "/v2/health/live": self._live,
            "/v2/health/ready": self._ready,
            "/metrics": self._scrape,
            "/docs": self._docs,
            "/openapi.json": self._openapi,
        }

    def model(self, request: Request, name: str, version: str) -> None:
        """V1's word on a model."""
        if not self._dataplane.accepting and name == self._dataplane.name:
            document = {"name": name, "ready": False, "reason": self._dataplane.reason}
            tell(request, document, status=503)
            return
        self._later(request, self._describe(request, self._dataplane.find(name, version)))

    def model_ready(self, request: Request, hosted: Hosted) -> None:
        """V2's word on a model."""
        self._later(request, _tell_model_ready(request, hosted))

    def change(self, request: Request, name: str, change: str) -> None:
        """Load or unload a model."""
        self._later(request, self._change(request, name, change))

    def index(self, request: Request) -> None:
        """The repository's models."""
        document = codec.parse(request.body) if request.body.strip() else {}
        only_ready = isinstance(document, dict) and document.get("ready") is True
        models = [each for each in self._dataplane.index() if not only_ready or each["state"] == "READY"]
        request.respond(200, orjson.dumps(models))

    def _about(self, request: Request) -> None:
        names = self._dataplane.names
        name = names[0] if names else self._dataplane.name
        document = {
            "status": "alive",
            "server": "hopyard",
            "model": name,
            "models": names,
            "predict": f"/v1/models/{name}:predict",
            "docs": "/docs",
        }
        tell(request, document)

    def _server(self, request: Request) -> None:
        tell(request, {"name": "hopyard", "version": self._server_version, "extensions": EXTENSIONS})

    def _list(self, request: Request) -> None:
        tell(request, {"models": self._dataplane.names or [self._dataplane.name]})

    async def _describe(self, request: Request, hosted: Hosted) -> None:
        state = await hosted.readiness()
        reason = self._dataplane.reason or state.reason
        is_ready = state.ready and not self._dataplane.reason
        document = {
            "name": hosted.name,
            "ready": is_ready,
            "reason": reason,
            "version": hosted.version or None,
            "style": hosted.model.style,
            "verbs": list(hosted.verbs),
        }
        tell(request, document, status=200 if is_ready else 503)

    async def _change(self, request: Request, name: str, change: str) -> None:
        await (self._dataplane.load(name) if change == "load" else self._dataplane.unload(name))
        tell(request, {"name": name, change: True})

    def _live(self, request: Request) -> None:
        tell(request, {"live": True})

    def _ready(self, request: Request) -> None:
        self._later(request, self._tell_readiness(request))

    async def _tell_readiness(self, request: Request) -> None:
        state = await self._dataplane.readiness()
        document: dict[str, Any] = {
            "ready": state.ready,
            "reason": state.reason,
            "consecutive_failures": state.consecutive_failures,
            "last_error": self._told(state.last_error),
        }
        if self._log is not None:
            document["inference_log"] = await self._logged(self._log)
        tell(request, document, status=200 if state.ready else 503)

    def _told(self, error: str | None) -> str | None:
        return without_text(error, WITHHELD) if error and self._redacts else error

    async def _logged(self, log: InferenceLog) -> dict[str, int]:
        """What became of the records of all processes."""
        if self._scrape_all is None:
            return log.counts
        return metrics.logged(await self._scrape_all())

    def _scrape(self, request: Request) -> None:
        self._later(request, self._tell_metrics(request))

    async def _tell_metrics(self, request: Request) -> None:
        text = await self._scrape_all() if self._scrape_all else self._metrics.render()
        text += metrics.of_process() + metrics.of_user()
        kind = metrics.CONTENT_TYPE
        if b"application/openmetrics-text" in request.headers.get(b"accept", b""):
            kind, text = metrics.OPENMETRICS, metrics.as_openmetrics(text)
        request.respond(200, text, content_type=kind)

    def _openapi(self, request: Request) -> None:
        tell(request, docs.openapi(self._dataplane, self._server_version))

    def _docs(self, request: Request) -> None:
        page = docs.page(self._dataplane, self._server_version, host=request.headers.get(b"host", b""))
        request.respond(200, page, content_type=b"text/html; charset=utf-8", headers=docs.HEADERS)

    def _later(self, request: Request, answering: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(_surely(request, answering))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _tell_model_ready(request: Request, hosted: Hosted) -> None:
    state = await hosted.readiness()
    document = {"name": hosted.name, "ready": state.ready, "reason": state.reason}
    tell(request, document, status=200 if state.ready else 503)


async def _surely(request: Request, answering: Coroutine[Any, Any, None]) -> None:
    """Answer even where answering fails, or is cancelled."""
    try:
        await answering
    except Problem as problem:
        request.refuse(problem)
    except (Exception, asyncio.CancelledError):
        request.fail_inside()


def tell(request: Request, document: dict[str, Any], *, status: int = 200) -> None:
    """Answer with a document."""
    request.respond(status, orjson.dumps(document, default=str))
