"""URLs to answers: V1 inference, the model's state, health, metrics."""

import asyncio
import re
from collections.abc import Callable, Coroutine
from time import time
from typing import Any
from urllib.parse import unquote

import orjson

from hopyard.server import metrics
from hopyard.server.dataplane import DataPlane
from hopyard.server.inference_log import InferenceLog
from hopyard.server.keys import KeyRing
from hopyard.server.metrics import Metrics
from hopyard.server.requests import Request
from hopyard.server.v1 import V1Call

VERBS = ("predict", "classify", "regress")
_INFERENCE = re.compile(r"/v1/models/([^/:]+)(?:/versions/([^/:]+))?:([a-z]+)").fullmatch
_MODEL = re.compile(r"/v1/models/([^/:]+)(?:/versions/([^/:]+))?").fullmatch
_NO_KEY = b"www-authenticate: ApiKey\r\n"


class Routes:
    """Every answer of this server starts here. A `KeyRing` of None lets everybody in."""

    def __init__(
        self,
        dataplane: DataPlane,
        *,
        version: str,
        keys: KeyRing | None,
        counters: Metrics,
        inference_log: InferenceLog | None,
    ) -> None:
        self._dataplane = dataplane
        self._version = version
        self._keys = keys
        self._metrics = counters
        self._log = inference_log
        self._tasks: set[asyncio.Task[None]] = set()
        self._verbs = {f"/v1/models/{dataplane.name}:{verb}".encode(): verb for verb in VERBS}
        self._pages: dict[str, Callable[[Request], None]] = {
            "/": self._about,
            "/v1/models": self._list,
            "/v2/health/live": self._live,
            "/v2/health/ready": self._ready,
            "/metrics": self._scrape,
        }

    def __call__(self, request: Request) -> None:
        """Answer one request, now or later."""
        verb = self._verbs.get(request.target)
        if verb is not None and request.refusal is None and request.method == b"POST":
            self._infer(request, verb)
        else:
            self._route(request)

    def _route(self, request: Request) -> None:
        if request.refusal is not None:
            refusal = request.refusal
            self._metrics.observe("none", refusal.status, 0.0)
            request.fail(refusal.status, refusal.code, refusal.sentence)
            return
        path = unquote(request.target.partition(b"?")[0].decode("latin-1"))
        page = self._pages.get(path)
        if page is not None:
            self._get(request, page)
        elif match := _INFERENCE(path):
            self._infer_by_name(request, *match.groups())
        elif match := _MODEL(path):
            self._get(request, lambda request: self._model(request, *match.groups()))
        else:
            sentence = f"Nothing is at {path[:200]}; predictions are at /v1/models/<model>:predict."
            request.fail(404, "NotFound", sentence)

    def _get(self, request: Request, page: Callable[[Request], None]) -> None:
        if request.method in (b"GET", b"HEAD"):
            page(request)
        else:
            _wrong_method(request, b"GET, HEAD")

    # Inference

    def _infer_by_name(self, request: Request, name: str, version: str | None, verb: str) -> None:
        if verb not in VERBS:
            request.fail(404, "NotFound", f"There is no verb {verb}; there are {', '.join(VERBS)}.")
        elif request.method != b"POST":
            _wrong_method(request, b"POST")
        elif self._allowed(request) and self._names_our_model(request, name, version):
            self._infer(request, verb)

    def _infer(self, request: Request, verb: str) -> None:
        key_id = None
        if self._keys is not None:
            key_id = self._keys.identify(request.headers, time())
            if key_id is None:
                self._unauthorized(request, verb)
                return
        if not self._dataplane.accepting:
            self._metrics.observe(verb, 503, 0.0)
            request.fail(
                503, "NotReady", f"{self._dataplane.reason} Try again soon.", headers=b"retry-after: 1\r\n"
            )
        elif verb not in self._dataplane.verbs:
            self._metrics.observe(verb, 501, 0.0)
            has = ", ".join(self._dataplane.verbs)
            request.fail(501, "NotImplemented", f"This model has no method {verb}; it has {has}.")
        else:
            V1Call(
                request,
                verb,
                key_id=key_id,
                dataplane=self._dataplane,
                metrics=self._metrics,
                inference_log=self._log,
            ).start()

    def _names_our_model(self, request: Request, name: str, version: str | None) -> bool:
        ours = self._dataplane.name
        if name != ours:
            request.fail(404, "ModelNotFound", f"The model {name[:200]} is not served here; {ours} is.")
            return False
        if version is not None and self._version and version != self._version:
            sentence = f"Version {version[:50]} of {ours} is not served here; version {self._version} is."
            request.fail(404, "ModelNotFound", sentence)
            return False
        return True

    def _allowed(self, request: Request) -> bool:
        if self._keys is None or self._keys.identify(request.headers, time()) is not None:
            return True
        self._unauthorized(request, "none")
        return False

    def _unauthorized(self, request: Request, verb: str) -> None:
        self._metrics.observe(verb, 401, 0.0)
        sentence = "No valid API key came with the request; send the header Authorization: ApiKey <key>."
        request.fail(401, "NotAuthenticated", sentence, headers=_NO_KEY)

    # Pages

    def _about(self, request: Request) -> None:
        if self._allowed(request):
            model = self._dataplane.name
            _json(request, {"server": "hopyard", "model": model, "predict": f"/v1/models/{model}:predict"})

    def _list(self, request: Request) -> None:
        if self._allowed(request):
            _json(request, {"models": [self._dataplane.name]})

    def _model(self, request: Request, name: str, version: str | None) -> None:
        if self._allowed(request) and self._names_our_model(request, name, version):
            self._later(request, self._describe(request))

    async def _describe(self, request: Request) -> None:
        state = await self._dataplane.readiness()
        model = self._dataplane.model
        document = {
            "name": self._dataplane.name,
            "ready": state.ready,
            "reason": state.reason,
            "version": self._version or None,
            "style": model.style if model else None,
            "verbs": self._dataplane.verbs,
        }
        _json(request, document, status=200 if state.ready else 503)

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
        request.respond(200, self._metrics.render(), content_type=metrics.CONTENT_TYPE)

    def _later(self, request: Request, answering: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(_surely(request, answering))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _surely(request: Request, answering: Coroutine[Any, Any, None]) -> None:
    """Answer even where answering fails, or is cancelled."""
    try:
        await answering
    except (Exception, asyncio.CancelledError):
        request.fail_inside()


def _json(request: Request, document: dict[str, Any], *, status: int = 200) -> None:
    request.respond(status, orjson.dumps(document))


def _wrong_method(request: Request, allowed: bytes) -> None:
    sentence = f"{request.method.decode('latin-1')} is not possible here; use {allowed.decode()}."
    request.fail(405, "MethodNotAllowed", sentence, headers=b"allow: %b\r\n" % allowed)
