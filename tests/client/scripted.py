"""A small real HTTP server that answers what a test tells it to, and misbehaves when told."""

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Scripted:
    """Answers in the order queued; `by_route` answers a method and path every time."""

    url: str = ""
    queue: deque[Answer] = field(default_factory=deque)
    by_route: dict[tuple[str, str], Answer] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def then(self, *answers: Answer) -> None:
        self.queue.extend(answers)

    def on(self, method: str, path: str, answer: Answer) -> None:
        self.by_route[method, path] = answer

    @property
    def calls(self) -> list[str]:
        return [f"{request.method} {request.path}" for request in self.requests]

    def never(self, _handler: BaseHTTPRequestHandler) -> None:
        """Say nothing until the test is over."""
        self.released.wait(30)


def says(status: int, body: Any, **headers: str) -> Answer:
    """JSON."""
    return says_raw(status, json.dumps(body).encode(), "application/json", **headers)


def says_raw(status: int, body: bytes, kind: str = "text/html", **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)

    return answer


def drops(handler: BaseHTTPRequestHandler) -> None:
    """Close without a word."""
    handler.close_connection = True


def breaks_off(handler: BaseHTTPRequestHandler) -> None:
    """Promise more than is sent."""
    says_raw(200, b'{"items": [', "application/json", Content_Length="5000")(handler)
    handler.close_connection = True


def refuses(status: int, code: str, message: str, **fields: list[str]) -> Answer:
    error = {"code": code, "message": message, "fields": fields, "request_id": "r-1"}
    return says(status, {"error": error})


@contextmanager
def running(script: Scripted) -> Iterator[None]:
    """Serve the script on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            script.requests.append(Request(self.command, self.path, dict(self.headers), body))
            route = script.by_route.get((self.command, self.path.split("?")[0]))
            if route is None and script.queue:
                route = script.queue.popleft()
            (route or refuses(404, "not_found", f"The test has no answer to {self.path}."))(self)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - the base class's names

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True  # a kept connection may outlive the server
    script.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield
    script.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


VERSION = {"model": "iris", "version": 1, "size": 3, "files": [{"path": "a.txt", "size": 3, "sha256": ""}]}
SERVING = {
    "id": 5,
    "name": "iris",
    "project": "demo",
    "status": "Running",
    "condition": {"type": "READY", "status": True, "reason": "Ready"},
    "failure": None,
    "revision": 3,
    "model": "iris",
    "model_version": 1,
    "artifact_version": "MODEL-ONLY",
    "script": "Models/iris/1/predictor.py",
    "replicas": 2,
    "replicas_ready": 1,
    "wanted_replicas": 2,
    "resources": {"cores": 1.0, "memory_mb": 1024, "gpus": 0},
    "topic": "iris-inf1234",
    "inference_logging": "ALL",
    "batching": {"mode": "on", "enabled": True, "max_batch_size": 64, "max_latency_ms": 5},
    "max_concurrency": 2,
    "class_name": "Flowers",
    "env": {"MODE": "fast"},
    "description": "",
    "url": "http://hop/inference/demo/iris/v1/models/iris",
    "direct_url": "http://hop:9001/v1/models/iris",
    "created_by": "alice",
    "created_at": "2026-01-02T03:04:05Z",
    "updated_at": "2026-01-02T03:04:05Z",
    "deployed_at": None,
}


READY = {"name": "iris-3-0", "revision": 3, "state": "Ready", "ended_at": None}
TRANSFORMED = {
    **SERVING,
    "alias": "champion",
    "artifact_version": "2",
    "artifact_digest": "d" * 64,
    "transformer": "Resources/transformer.py",
    "transformer_placement": "separate",
    "transformer_replicas": 2,
    "transformer_resources": {"cores": 0.5, "memory_mb": 256},
    "python": "3.12",
    "requirements": "numpy==2.1\nscipy",
    "requirements_path": "",
    "environment": "e" * 64,
    "preflight": {"id": 7, "state": "passed", "checks": [], "started_at": None, "finished_at": None},
}
ENDED = {"name": "iris-2-0", "revision": 3, "state": "Exited", "ended_at": "2026-01-02T03:04:05Z"}


def page(*items: Any, following: str | None = None) -> Answer:
    return says(200, {"count": len(items), "next": following, "previous": None, "items": list(items)})
