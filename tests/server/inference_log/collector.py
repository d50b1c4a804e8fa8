"""A collector of CloudEvents that misbehaves as it is told."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[["Collector", BaseHTTPRequestHandler], int | None]


class Collector:
    """A real HTTP server on a port of its own. `answer` says the status of each post; None: no answer at all."""

    def __init__(self, answer: Answer = lambda collector, request: 202) -> None:
        self.events: list[tuple[dict[str, str], bytes]] = []
        self.posts = 0
        self.released = threading.Event()
        self.answer = answer
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                collector.posts += 1
                status = collector.answer(collector, self)
                if status is None:
                    self.close_connection = True
                    return
                if 200 <= status < 300:
                    collector.events.append((headers, body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/events?from=test"

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
