"""Applies rules of redaction in the platform, as the model server applies them to its records.

They run in a process of its own: a regular expression that takes too long holds up nobody else, and what cannot be
redacted is not kept.
"""

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Self

from django.conf import settings

SECONDS = 10.0  # for one call, and the start of the process; the rules themselves have a fraction of it
READ_BYTES = 64 * 1024
COMMAND = (sys.executable, "-P", "-m", "hopyard.server.inference_log.redacting")

Rules = Sequence[Mapping[str, Any]]


class Redactor:
    """The process, once there is something for it; a context manager that ends it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def kept(
        self,
        rules: Rules,
        *,
        salt: str,
        inputs: str | None = None,
        outputs: str | None = None,
        error: str | None = None,
    ) -> dict[str, Any]:
        """What a record would keep of the three, by their names; nothing where the process does not answer."""
        asked = {"rules": rules, "salt": salt, "inputs": inputs, "outputs": outputs, "error": error}
        if self._process is None:
            env = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(settings.BASE_DIR / "sdk")}
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(COMMAND, stdin=pipe, stdout=pipe, env=env, bufsize=0)
        assert self._process.stdin is not None, "it is a pipe"
        try:
            self._process.stdin.write(json.dumps(asked).encode() + b"\n")
            kept: dict[str, Any] = json.loads(self._line(time.monotonic() + SECONDS))
        except (OSError, ValueError):
            self._end()
            return {}
        return kept

    def _line(self, deadline: float) -> bytes:
        """What the process says next; less than a line if it does not say it in time."""
        assert self._process is not None, "it was asked"
        pipe, line = self._process.stdout, b""
        assert pipe is not None, "it is a pipe"
        while not line.endswith(b"\n"):
            left = max(0.0, deadline - time.monotonic())
            if not select.select([pipe], [], [], left)[0]:
                break
            read = pipe.read(READ_BYTES)
            if not read:
                break
            line += read
        return line

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._process.wait()
        self._process = None
