"""A real model server in a process of its own, and waiting with deadlines."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

DEADLINE_SECONDS = 20.0

ECHO = """
class Predict:
    def predict(self, inputs):
        return inputs
"""


def eventually(claim: Callable[[], Any], seconds: float = DEADLINE_SECONDS) -> Any:
    """Return the first truthy value of `claim`, or fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := claim():
            return value
        time.sleep(0.01)
    raise AssertionError(f"not true within {seconds} s")


class ServerProcess:
    def __init__(self, directory: Path, script: str | None, settings: dict[str, Any]) -> None:
        self.directory = directory
        self.script = directory / settings.pop("name", "iris.py")
        module = settings.pop("module", "hopyard.server")
        if script is not None:
            self.script.write_text(textwrap.dedent(script))
        self.address_file = directory / "address"
        self.termination_file = directory / "termination"
        self.log_file = directory / "log"
        known = {
            "PORT": 0,
            "SCRIPT": self.script,
            "ADDRESS_FILE": self.address_file,
            "TERMINATION_FILE": self.termination_file,
            **settings,
        }
        clean = {k: v for k, v in os.environ.items() if not k.startswith("HOPYARD_")}
        named = {k if k == "MODEL_VERSION" else f"HOPYARD_{k}": str(v) for k, v in known.items()}
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module],
                cwd=directory,
                env=clean | named,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.client = httpx.Client(timeout=DEADLINE_SECONDS)

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    @property
    def address(self) -> tuple[str, int]:
        eventually(lambda: self.address_file.exists() or self.process.poll() is not None)
        assert self.address_file.exists(), self.log
        host, _, port = self.address_file.read_text().rpartition(":")
        return host, int(port)

    def url(self, path: str) -> str:
        host, port = self.address
        return f"http://{host}:{port}{path}"

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.client.get(self.url(path), **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.client.post(self.url(path), **options)

    def predict(self, *rows: Any, **options: Any) -> httpx.Response:
        return self.post("/v1/models/iris:predict", json={"instances": list(rows)}, **options)

    def ready(self) -> "ServerProcess":
        def is_ready() -> bool:
            assert self.process.poll() is None, self.log
            return self.get("/v2/health/ready").status_code == 200

        self.address  # noqa: B018
        eventually(is_ready)
        return self

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=DEADLINE_SECONDS)

    def exchange(self, *parts: bytes) -> bytes:
        """Send raw bytes and return everything up to the end of the connection."""
        with self.connect() as connection:
            for part in parts:
                connection.sendall(part)
            return read_all(connection)

    def metric(self, line: str) -> float:
        for found in self.get("/metrics").text.splitlines():
            if found.startswith(line + " "):
                return float(found.split()[-1])
        return 0.0

    def terminate(self) -> int:
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_SECONDS)

    def failure(self) -> dict[str, str]:
        """Wait for the fatal failure and return what the platform would read."""
        assert self.process.wait(DEADLINE_SECONDS) == 3, self.log
        return json.loads(self.termination_file.read_text())

    def close(self) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(DEADLINE_SECONDS)


def read_all(connection: socket.socket) -> bytes:
    data = b""
    while chunk := connection.recv(65536):
        data += chunk
    return data


def http(
    body: bytes = b'{"instances": [1]}', *headers: bytes, path: bytes = b"/v1/models/iris:predict"
) -> bytes:
    """A raw predict request."""
    lines = [b"POST " + path + b" HTTP/1.1", b"Host: x", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
