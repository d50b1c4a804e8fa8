"""URLs to answers: inference in V1 and V2, the models' state, the repository, health, metrics, documentation.

The URLs that predictions are made at are looked up as raw bytes; everything else is matched afterwards.
"""

import asyncio
import re
from collections.abc import Callable, Coroutine
from time import time
from typing import Any
from urllib.parse import unquote

import orjson

from hopyard.server import codec, docs, metrics, v2
from hopyard.server.calls import Books, HttpCall, TensorCall
from hopyard.server.dataplane import DataPlane
from hopyard.server.hosted import Door, Hosted
from hopyard.server.keys import KeyRing
from hopyard.server.replies import Problem
from hopyard.server.requests import Request

_V1 = re.compile(r"/v1/models/([^/]+?)(?:/versions/([^/:]+))?:([A-Za-z_]+)").fullmatch
_V1_MODEL = re.compile(r"/v1/models/([^/]+?)(?:/versions/([^/:]+))?").fullmatch
_V2_MODEL = re.compile(r"/v2/models/+([^/]+)(?:/versions/([^/]+))?(?:/+(.*?))?/*").fullmatch
_REPOSITORY = re.compile(r"/v2/repository/models/([^/]+)/(load|unload)").fullmatch
_NO_KEY = b"www-authenticate: ApiKey\r\n"
_PUBLIC = ("/v2/health/live", "/v2/health/ready", "/metrics")

Scrape = Callable[[], Coroutine[Any, Any, bytes]]


class Routes:
    """Every answer over HTTP starts here. A `KeyRing` of None lets everybody in."""

    def __init__(
        self,
        dataplane: DataPlane,
        *,
        keys: KeyRing | None,
        books: Books,
        server_version: str,
        scrape: Scrape | None = None,
    ) -> None:
        self._dataplane = dataplane
        self._keys = keys
        self._books = books
        self._server_version = server_version
        self._scrape_all = scrape
        self._tasks: set[asyncio.Task[None]] = set()
        self._doors: dict[bytes, tuple[Door, bool]] = {}
        self._pages: dict[str, Callable[[Request], None]] = {
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

    def rebuild(self) -> None:
        """Learn the doors anew, after models came or went."""
        self._doors = {}
        plane = self._dataplane
        for hosted in plane.hosted.values():
            for name in {hosted.name, hosted.key, *([plane.name] if len(plane.hosted) == 1 else [])}:
                for verb, door in hosted.verbs.items():
                    self._doors[f"/v1/models/{name}:{verb}".encode()] = (door, False)
                if hosted.tensors and "infer" not in hosted.operations:
                    self._doors[f"/v2/models/{name}/infer".encode()] = (hosted.tensors, True)

    def __call__(self, request: Request) -> None:
        """Answer one request, now or later."""
        found = self._doors.get(request.target)
        if found is not None and request.refusal is None and request.method == b"POST":
            self._infer(request, *found)
        else:
            try:
                self._route(request)
            except Problem as problem:
                _refuse(request, problem)

    def _route(self, request: Request) -> None:
        if request.refusal is not None:
            refusal = request.refusal
            self._books.metrics.refused(refusal.status)
            request.fail(refusal.status, refusal.code, refusal.sentence)
            return
        path = unquote(request.target.partition(b"?")[0].decode("latin-1"))
        page = self._pages.get(path) or self._pages.get(path.rstrip("/"))
        if path not in _PUBLIC and not self._allowed(request):
            return
        if page is not None and not (path == "/" and request.method == b"POST"):
            self._get(request, page)
        elif match := _V1(path):
            self._v1(request, *match.groups())
        elif match := _V1_MODEL(path):
            name, version = match.groups()
            self._get(request, lambda request: self._model(request, name, version))
        elif match := _V2_MODEL(path):
            self._v2(request, *match.groups())
        elif match := _REPOSITORY(path):
            self._post(request, self._change(request, *match.groups()))
        elif path == "/v2/repository/index":
            self._post(request, self._index(request))
        elif path == "/":
            self._addressed(request)
        else:
            sentence = f"Nothing is at {path[:200]}; predictions are at /v1/models/<model>:predict."
            request.fail(404, "NotFound", sentence)

    def _get(self, request: Request, page: Callable[[Request], None]) -> None:
        if request.method in (b"GET", b"HEAD"):
            page(request)
        else:
            _wrong_method(request, b"GET, HEAD")

    def _post(self, request: Request, answering: Coroutine[Any, Any, None]) -> None:
        if request.method == b"POST":
            self._later(request, answering)
        else:
            answering.close()
            _wrong_method(request, b"POST")

    # Inference

    def _infer(self, request: Request, door: Door, is_tensors: bool) -> None:
        key_id = None
        if self._keys is not None:
            key_id = self._keys.identify(request.headers, time())
            if key_id is None:
                door.counters.observe(401, 0.0)
                self._unauthorized(request)
                return
        hosted = door.hosted
        if hosted.reason or hosted.model.trouble():
            self._not_ready(request, door)
        elif is_tensors:
            self._infer_tensors(request, hosted, door, key_id)
        else:
            HttpCall(request, door, self._books, key_id).start()

    def _infer_tensors(self, request: Request, hosted: Hosted, door: Door, key_id: str | None) -> None:
        try:
            asked = v2.read(request, hosted.name, hosted.version)
        except Problem as problem:
            door.counters.observe(problem.status, 0.0)
            _refuse(request, problem)
            return
        sender = v2.RestSender(request, asked)
        TensorCall(asked, sender, door, self._books, size=len(request.body), key_id=key_id).start()

    def _not_ready(self, request: Request, door: Door) -> None:
        try:
            door.hosted.admit()
        except Problem as problem:
            door.counters.observe(problem.status, 0.0)
            _refuse(request, problem)

    def _v1(self, request: Request, name: str, version: str | None, verb: str) -> None:
        hosted = self._dataplane.find(name, version or "")
        door = hosted.verbs.get(verb)
        if request.method != b"POST":
            _wrong_method(request, b"POST")
        elif door is not None:
            self._infer(request, door, False)
        else:
            self._no_verb(request, hosted, verb)

    def _no_verb(self, request: Request, hosted: Hosted, verb: str) -> None:
        if hosted.reason:
            hosted.admit()
        has = ", ".join(hosted.verbs) or "none"
        if verb in ("predict", "classify", "regress", "explain"):
            self._books.metrics.counters(hosted.name, verb).observe(501, 0.0)
            raise Problem(501, f"This model has no method {verb}; it has {has}.", "NotImplemented")
        raise Problem(404, f"There is no verb {verb[:50]}; there are {has}.", "NotFound")

    def _v2(self, request: Request, name: str, version: str | None, operation: str | None) -> None:
        hosted = self._dataplane.find(name, version or "")
        operation = operation or ""
        own = hosted.operations.get(operation) or hosted.operations.get("*")
        accepts = hosted.model.accepts_tensors
        if operation == "infer" and hosted.tensors and (own is None or (accepts and accepts(request))):
            if request.method == b"POST":
                self._infer(request, hosted.tensors, True)
            else:
                _wrong_method(request, b"POST")
        elif own is not None and hosted.loaded:
            HttpCall(request, own, self._books, None).start()
        elif operation == "":
            self._get(request, lambda request: _json(request, hosted.metadata()))
        elif operation == "ready":
            self._get(request, lambda request: self._later(request, _tell_model_ready(request, hosted)))
        elif operation in hosted.verbs and request.method == b"POST":
            self._infer(request, hosted.verbs[operation], False)
        else:
            hosted.admit()
            sentence = f"Nothing is at {operation[:100]} of the model {hosted.name}; ask /infer."
            raise Problem(404, sentence, "NotFound")

    def _addressed(self, request: Request) -> None:
        """`POST /` names model and operation in its body, for carriers that have no URL."""
        try:
            document = codec.parse(request.body)
        except codec.BadBody:
            document = None
        given = document if isinstance(document, dict) else {}
        name = str(given.get("model") or next(iter(self._dataplane.names), ""))
        version = str(given.get("version") or "")
        self._v2(request, name, version, str(given.get("operation") or "infer"))

    # Who may

    def _allowed(self, request: Request) -> bool:
        if self._keys is None or self._keys.identify(request.headers, time()) is not None:
            return True
        self._books.metrics.refused(401)
        self._unauthorized(request)
        return False

    def _unauthorized(self, request: Request) -> None:
        sentence = "No valid API key came with the request; send the header Authorization: ApiKey <key>."
        request.fail(401, "NotAuthenticated", sentence, headers=_NO_KEY)

    # Pages

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
        _json(request, document)

    def _server(self, request: Request) -> None:
        extensions = ["model_repository", "binary_tensor_data", "model_repository_extension"]
        _json(request, {"name": "hopyard", "version": self._server_version, "extensions": extensions})

    def _list(self, request: Request) -> None:
        _json(request, {"models": self._dataplane.names or [self._dataplane.name]})

    def _model(self, request: Request, name: str, version: str | None) -> None:
        if not self._dataplane.accepting and name == self._dataplane.name:
            document = {"name": name, "ready": False, "reason": self._dataplane.reason}
            _json(request, document, status=503)
            return
        hosted = self._dataplane.find(name, version or "")
        self._later(request, self._describe(request, hosted))

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
        _json(request, document, status=200 if is_ready else 503)

    async def _change(self, request: Request, name: str, change: str) -> None:
        await (self._dataplane.load(name) if change == "load" else self._dataplane.unload(name))
        _json(request, {"name": name, change: True})

    async def _index(self, request: Request) -> None:
        document = codec.parse(request.body) if request.body.strip() else {}
        only_ready = isinstance(document, dict) and document.get("ready") is True
        models = [each for each in self._dataplane.index() if not only_ready or each["state"] == "READY"]
        request.respond(200, orjson.dumps(models))

    def _live(self, request: Request) -> None:
        _json(request, {"live": True})

    def _ready(self, request: Request) -> None:
        self._later(request, self._tell_readiness(request))

    async def _tell_readiness(self, request: Request) -> None:
        state = await self._dataplane.readiness()
        document = {
            "ready": state.ready,
            "reason": state.reason,
            "consecutive_failures": state.consecutive_failures,
            "last_error": state.last_error,
        }
        _json(request, document, status=200 if state.ready else 503)

    def _scrape(self, request: Request) -> None:
        self._later(request, self._tell_metrics(request))

    async def _tell_metrics(self, request: Request) -> None:
        text = await self._scrape_all() if self._scrape_all else self._books.metrics.render()
        text += metrics.of_process() + metrics.of_user()
        kind = metrics.CONTENT_TYPE
        if b"application/openmetrics-text" in request.headers.get(b"accept", b""):
            kind, text = metrics.OPENMETRICS, metrics.as_openmetrics(text)
        request.respond(200, text, content_type=kind)

    def _openapi(self, request: Request) -> None:
        _json(request, docs.openapi(self._dataplane, self._server_version))

    def _docs(self, request: Request) -> None:
        page = docs.page(self._dataplane, self._server_version)
        request.respond(200, page, content_type=b"text/html; charset=utf-8", headers=docs.HEADERS)

    def _later(self, request: Request, answering: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(_surely(request, answering))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _tell_model_ready(request: Request, hosted: Hosted) -> None:
    state = await hosted.readiness()
    document = {"name": hosted.name, "ready": state.ready, "reason": state.reason}
    _json(request, document, status=200 if state.ready else 503)


async def _surely(request: Request, answering: Coroutine[Any, Any, None]) -> None:
    """Answer even where answering fails, or is cancelled."""
    try:
        await answering
    except Problem as problem:
        _refuse(request, problem)
    except (Exception, asyncio.CancelledError):
        request.fail_inside()


def _refuse(request: Request, problem: Problem) -> None:
    retry = b"retry-after: 1\r\n" if problem.status == 503 else b""
    if problem.reply is None:
        request.fail(problem.status, problem.code, problem.sentence, headers=retry)
    else:
        reply = problem.reply
        headers = retry + reply.headers
        request.respond(reply.status, reply.body, headers=headers, content_type=reply.content_type)


def _json(request: Request, document: dict[str, Any], *, status: int = 200) -> None:
    request.respond(status, orjson.dumps(document, default=str))


def _wrong_method(request: Request, allowed: bytes) -> None:
    sentence = f"{request.method.decode('latin-1')} is not possible here; use {allowed.decode()}."
    request.fail(405, "MethodNotAllowed", sentence, headers=b"allow: %b\r\n" % allowed)
