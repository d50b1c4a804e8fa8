"""URLs to answers: inference in V1 and V2, the models' state, the repository, health, metrics, documentation.

The URLs that predictions are made at are looked up as raw bytes; everything else is matched afterwards.
"""

import re
from collections.abc import Callable
from time import time
from urllib.parse import unquote

from hopyard.server import codec, v2
from hopyard.server.calls import Books, HttpCall, TensorCall
from hopyard.server.dataplane import DataPlane
from hopyard.server.hosted import Door, Hosted
from hopyard.server.keys import KeyRing
from hopyard.server.pages import Pages, Scrape, refuse, tell
from hopyard.server.replies import Problem
from hopyard.server.requests import Request

_V1 = re.compile(r"/v1/models/([^/]+?)(?:/versions/([^/:]+))?:([A-Za-z_]+)").fullmatch
_V1_MODEL = re.compile(r"/v1/models/([^/]+?)(?:/versions/([^/:]+))?").fullmatch
_V2_MODEL = re.compile(r"/v2/models/+([^/]+)(?:/versions/([^/]+))?(?:/+(.*?))?/*").fullmatch
_REPOSITORY = re.compile(r"/v2/repository/models/([^/]+)/(load|unload)").fullmatch
_NO_KEY = b"www-authenticate: ApiKey\r\n"
_PUBLIC = ("/v2/health/live", "/v2/health/ready", "/metrics")


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
        self._pages = Pages(dataplane, books.metrics, server_version=server_version, scrape=scrape)
        self._doors: dict[bytes, tuple[Door, bool]] = {}

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
                refuse(request, problem)

    def _route(self, request: Request) -> None:
        if request.refusal is not None:
            refusal = request.refusal
            self._books.metrics.refused(refusal.status)
            request.fail(refusal.status, refusal.code, refusal.sentence)
            return
        path = unquote(request.target.partition(b"?")[0].decode("latin-1"))
        by_path = self._pages.by_path
        page = by_path.get(path) or by_path.get(path.rstrip("/"))
        if path not in _PUBLIC and not self._allowed(request):
            return
        if page is not None and not (path == "/" and request.method == b"POST"):
            self._get(request, page)
        elif match := _V1(path):
            self._v1(request, *match.groups())
        elif match := _V1_MODEL(path):
            name, version = match.groups()
            self._get(request, lambda request: self._pages.model(request, name, version or ""))
        elif match := _V2_MODEL(path):
            self._v2(request, *match.groups())
        elif match := _REPOSITORY(path):
            self._post(request, lambda request: self._pages.change(request, *match.groups()))
        elif path == "/v2/repository/index":
            self._post(request, self._pages.index)
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

    def _post(self, request: Request, act: Callable[[Request], None]) -> None:
        if request.method == b"POST":
            act(request)
        else:
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
            refuse(request, problem)
            return
        sender = v2.RestSender(request, asked)
        TensorCall(asked, sender, door, self._books, size=len(request.body), key_id=key_id).start()

    def _not_ready(self, request: Request, door: Door) -> None:
        try:
            door.hosted.admit()
        except Problem as problem:
            door.counters.observe(problem.status, 0.0)
            refuse(request, problem)

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
            self._get(request, lambda request: tell(request, hosted.metadata()))
        elif operation == "ready":
            self._get(request, lambda request: self._pages.model_ready(request, hosted))
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


def _wrong_method(request: Request, allowed: bytes) -> None:
    sentence = f"{request.method.decode('latin-1')} is not possible here; use {allowed.decode()}."
    request.fail(405, "MethodNotAllowed", sentence, headers=b"allow: %b\r\n" % allowed)
