"""Applies rules of redaction in the platform, as the model server applies them to its records.

They run in a process of its own: a regular expression that takes too long holds up nobody else, and what cannot be
redacted is not kept.
"""

import contextlib
import json
import logging
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Self

from django.conf import settings

SECONDS = 10.0  # for one call, and the start of the process; the rules themselves have a fraction of it
REST_SECONDS = 30.0  # after a process that failed, in which nothing is kept
READ_BYTES = 64 * 1024
COMMAND = (sys.executable, "-P", "-m", "hopyard.server.inference_log.redacting")

Rules = Sequence[Mapping[str, Any]]

log = logging.getLogger(__name__)


class Redactor:
    """The process, once there is something for it; a context manager that ends it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._rests_until = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def kept(
        self,
        rules: Rules,
        *,
        salt: str,
        inputs: str | None = None,
        outputs: str | None = None,
        error: str | None = None,
        has_run: bool = True,
    ) -> dict[str, Any]:
        """What a record would keep of the three, by their names; nothing where the process fails. `has_run`: the model
        may have made an answer that the error quotes.
        """
        if time.monotonic() < self._rests_until:
            return {}
        asked = {"rules": rules, "salt": salt, "inputs": inputs, "outputs": outputs, "error": error}
        deadline = time.monotonic() + SECONDS
        try:
            process = self._process or self._started()
            _write(process, json.dumps(asked | {"has_run": has_run}).encode() + b"\n", deadline)
            kept: dict[str, Any] = json.loads(_line(process, deadline))
        except (OSError, ValueError, RecursionError) as failure:
            log.warning("What redacts has failed, so that nothing is kept for a while: %s", failure)
            self.close()
            self._rests_until = time.monotonic() + REST_SECONDS
            return {}
        return kept

    def close(self) -> None:
        """End the process; the next call starts another one."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        process.wait()

    def _started(self) -> "subprocess.Popen[bytes]":
        env = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(settings.BASE_DIR / "sdk")}
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(COMMAND, stdin=pipe, stdout=pipe, env=env, bufsize=0)
        for end in (self._process.stdin, self._process.stdout):
            assert end is not None, "it is a pipe"
            os.set_blocking(end.fileno(), False)
        return self._process


def _write(process: "subprocess.Popen[bytes]", data: bytes, deadline: float) -> None:
    """Raises OSError for what is not taken in time."""
    assert process.stdin is not None, "it is a pipe"
    left = memoryview(data)
    while left:
        _wait(process.stdin.fileno(), select.POLLOUT, deadline)
        left = left[os.write(process.stdin.fileno(), left[:READ_BYTES]) :]


def _line(process: "subprocess.Popen[bytes]", deadline: float) -> bytes:
    """What the process says next. Raises OSError if it does not say it in time, or ends."""
    assert process.stdout is not None, "it is a pipe"
    line = b""
    while not line.endswith(b"\n"):
        _wait(process.stdout.fileno(), select.POLLIN, deadline)
        read = os.read(process.stdout.fileno(), READ_BYTES)
        if not read:
            raise BrokenPipeError("it ended")
        line += read
    return line


def _wait(file: int, what: int, deadline: float) -> None:
    poll = select.poll()  # which unlike select() knows any number of files
    poll.register(file, what)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise TimeoutError("it took too long")
