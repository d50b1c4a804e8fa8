"""URLs to answers: inference in V1 and V2, the models' state, the repository, health, metrics, documentation.

The URLs that predictions are made at are looked up as raw bytes; everything else is matched afterwards.
"""

import re
from collections.abc import Callable
from time import time
from typing import cast
from urllib.parse import unquote

from hopyard.server.bodies import codec, v2
from hopyard.server.books import Books
from hopyard.server.calls import HttpCall
from hopyard.server.dataplane import DataPlane
from hopyard.server.flavors.mlrun import addressing
from hopyard.server.hosted import Door, Hosted
from hopyard.server.http.requests import Request
from hopyard.server.keys import Keys
from hopyard.server.pages import Pages, Scrape, tell
from hopyard.server.replies import Problem
from hopyard.server.tensor_calls import TensorCall

_V1 = re.compile(r"/v1/models/([^/]+?)(?:/versions/([^/:]+))?:([A-Za-z_]+)").fullmatch
_V1_MODEL = re.compile(r"/v1/models/([^/]+?)(?:/versions/([^/:]+))?").fullmatch
_REPOSITORY = re.compile(r"/v2/repository/models/([^/]+)/(load|unload)").fullmatch
_NO_KEY = b"www-authenticate: ApiKey\r\n"
_PUBLIC = ("/v2/health/live", "/v2/health/ready", "/metrics")

Way = Callable[[Request, Door], None]


class Routes:
    """Every answer over HTTP starts here. `keys` of None lets everybody in."""

    def __init__(
        self,
        dataplane: DataPlane,
        *,
        keys: Keys | None,
        books: Books,
        server_version: str,
        scrape: Scrape | None = None,
    ) -> None:
        self._dataplane = dataplane
        self._keys = keys
        self._books = books
        self._pages = Pages(dataplane, books, server_version=server_version, scrape=scrape)
        self._doors: dict[bytes, tuple[Door, Way]] = {}

    def rebuild(self) -> None:
        """Learn the doors anew, after models came or went."""
        self._doors = {}
        plane = self._dataplane
        for hosted in plane.hosted.values():
            for name in {hosted.name, hosted.key, *([plane.name] if len(plane.hosted) == 1 else [])}:
                self._doors |= self._doors_of(name, hosted)

    def _doors_of(self, name: str, hosted: Hosted) -> dict[bytes, tuple[Door, Way]]:
        doors: dict[bytes, tuple[Door, Way]] = {}
        for verb, door in hosted.verbs.items():
            doors[f"/v1/models/{name}:{verb}".encode()] = (door, self._predict)
        if hosted.tensors:
            doors[f"/v2/models/{name}/infer".encode()] = (hosted.tensors, self._infer)
        for operation, door in hosted.operations.items():
            if operation not in ("", "*"):
                doors[f"/v2/models/{name}/{operation}".encode()] = (door, self._operate)
        return doors

    def __call__(self, request: Request) -> None:
        """Answer one request, now or later."""
        found = self._doors.get(request.target)
        if found is not None and request.refusal is None and request.method == b"POST":
            door, way = found
            way(request, door)
        else:
            try:
                self._route(request)
            except Problem as problem:
                request.refuse(problem)

    def _route(self, request: Request) -> None:
        if request.refusal is not None:
            refusal = request.refusal
            self._books.metrics.refused(refusal.status)
            request.fail(refusal.status, refusal.code, refusal.sentence)
            return
        path = _path(request.target)
        by_path = self._pages.by_path
        page = by_path.get(path) or by_path.get(path.rstrip("/"))
        if path not in _PUBLIC and not self._allowed(request):
            return
        if page is not None and not (path == "/" and request.method == b"POST"):
            (self._list if path.startswith("/v2/models") else self._get)(request, page)
        elif match := _V1(path):
            self._v1(request, *match.groups())
        elif match := _V1_MODEL(path):
            name, version = match.groups()
            self._get(request, lambda request: self._pages.model(request, name, version or ""))
        elif (address := addressing.of_path(path)).model:
            self._v2(request, *address)
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

    def _list(self, request: Request, page: Callable[[Request], None]) -> None:
        """MLRun's clients also POST to the list of models."""
        if request.method == b"POST":
            page(request)
        else:
            self._get(request, page)

    def _post(self, request: Request, act: Callable[[Request], None]) -> None:
        if request.method == b"POST":
            act(request)
        else:
            _wrong_method(request, b"POST")

    # Inference

    def _predict(self, request: Request, door: Door) -> None:
        key_id = self._key_id(request, door)
        if key_id is None:
            return
        refusal = door.hosted.refusal()
        if refusal is None:
            HttpCall(request, door, self._books, key_id or None).start()
        else:
            _refuse(request, door, refusal)

    def _operate(self, request: Request, door: Door) -> None:
        """Ask in the style's own words; tensors where the body holds some, and the style says what is ready."""
        hosted = door.hosted
        accepts = hosted.model.accepts_tensors
        if door.verb == "infer" and hosted.tensors and accepts and accepts(request):
            self._infer(request, hosted.tensors)
            return
        key_id = self._key_id(request, door)
        if key_id is not None:
            HttpCall(request, door, self._books, key_id or None).start()

    def _infer(self, request: Request, door: Door) -> None:
        key_id = self._key_id(request, door)
        if key_id is None:
            return
        hosted = door.hosted
        try:
            refusal = hosted.refusal()
            if refusal is not None:
                raise refusal
            asked = v2.read(request, hosted.name, hosted.version)
        except Problem as problem:
            _refuse(request, door, problem)
            return
        sender = v2.RestSender(request, asked)
        TensorCall(asked, sender, door, self._books, size=len(request.body), key_id=key_id or None).start()

    def _key_id(self, request: Request, door: Door) -> str | None:
        """The id of the caller's key, empty where none is asked for; None if the caller was refused."""
        if self._keys is None:
            return ""
        key_id = self._keys.identify(request.headers, time())
        if key_id is None:
            door.counters.observe(401, 0.0)
            self._unauthorized(request)
        return key_id

    def _v1(self, request: Request, name: str, version: str | None, verb: str) -> None:
        hosted = self._dataplane.find(name, version or "")
        door = hosted.verbs.get(verb)
        if request.method != b"POST":
            _wrong_method(request, b"POST")
        elif door is not None:
            self._predict(request, door)
        else:
            self._no_verb(hosted, verb)

    def _no_verb(self, hosted: Hosted, verb: str) -> None:
        if not hosted.loaded:
            raise Problem(503, hosted.reason, "NotReady")
        has = ", ".join(hosted.verbs) or "none"
        if verb in ("predict", "classify", "regress", "explain"):
            self._books.metrics.counters(hosted.name, verb).observe(501, 0.0)
            raise Problem(501, f"This model has no method {verb}; it has {has}.", "NotImplemented")
        raise Problem(404, f"There is no verb {verb[:50]}; there are {has}.", "NotFound")

    def _v2(self, request: Request, name: str, version: str, operation: str) -> None:
        hosted, operation = self._meant(name, version, operation)
        own = hosted.operations.get(operation) or hosted.operations.get("*")
        if own is not None and hosted.loaded:
            self._operate(request, own)
        elif operation == "infer" and hosted.tensors:
            self._post(request, lambda request: self._infer(request, cast(Door, hosted.tensors)))
        elif operation == "":
            self._get(request, lambda request: tell(request, hosted.metadata()))
        elif operation == "ready":
            self._get(request, lambda request: self._pages.model_ready(request, hosted))
        elif operation in hosted.verbs:
            self._post(request, lambda request: self._predict(request, hosted.verbs[operation]))
        else:
            if not hosted.loaded:
                raise Problem(503, hosted.reason, "NotReady")
            sentence = f"Nothing is at {operation[:100]} of the model {hosted.name}; ask /infer."
            raise Problem(404, sentence, "NotFound")

    def _meant(self, name: str, version: str | None, operation: str) -> tuple[Hosted, str]:
        """The model and what to ask it. `/v2/models/predict`, and `infer` where models have operations of their own,
        asks the first, which is an ensemble if there is one.
        """
        first = next(iter(self._dataplane.hosted.values()), None)
        names = {**first.operations, **first.verbs} if first else {}
        if first and not operation and name in names and name not in self._dataplane.names:
            return first, name
        return self._dataplane.find(name, version or ""), operation

    def _addressed(self, request: Request) -> None:
        """`POST /` names model and operation in its body, for carriers that have no URL."""
        try:
            document = codec.parse(request.body)
        except codec.BadBody:
            document = None
        meant = addressing.address(document, "/")
        self._v2(
            request, meant.model or next(iter(self._dataplane.names), ""), meant.version, meant.operation
        )

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


def _path(target: bytes) -> str:
    """The path of a request target, which may be a whole URL, as proxies send it."""
    if target.startswith((b"http://", b"https://")):
        target = b"/" + target.split(b"/", 3)[3] if target.count(b"/") > 2 else b"/"
    return unquote(target.partition(b"?")[0].decode("latin-1"))


def _wrong_method(request: Request, allowed: bytes) -> None:
    sentence = f"{request.method.decode('latin-1')} is not possible here; use {allowed.decode()}."
    request.fail(405, "MethodNotAllowed", sentence, headers=b"allow: %b\r\n" % allowed)


def _refuse(request: Request, door: Door, problem: Problem) -> None:
    door.counters.observe(problem.status, 0.0)
    request.refuse(problem)
