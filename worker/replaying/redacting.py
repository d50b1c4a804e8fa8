"""Applies rules of redaction to new answers, as the records of the same calls went through them.

The rules are the model server's, in a process of its own: a regular expression that takes too long holds up nobody
else, and what cannot be redacted is not kept.
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

from serving.models import ReplayedCall, Serving
from serving.replays.comparing import Answer
from worker import inference_log

SECONDS = 10.0  # for one call, and the start of the process; the rules themselves have a fraction of it
READ_BYTES = 64 * 1024
COMMAND = (sys.executable, "-P", "-m", "hopyard.server.inference_log.redacting")

Rules = Sequence[Mapping[str, Any]]


class Redacting:
    """The rules of all revisions of a serving; a context manager, since a process may stand behind it."""

    def __init__(self, serving: Serving) -> None:
        self._salt = inference_log.salt(serving)
        self._rules: dict[int, Rules] = dict(serving.revisions.values_list("number", "redaction"))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def pair(self, call: ReplayedCall, new: Answer, *, revision: int) -> tuple[Answer, Answer]:
        """The recorded and the new answer after the rules of the revision that answered then, and of the one now."""
        then, now = self._of(call.revision), self._of(revision)
        old = Answer(call.status, call.outputs)
        new = self._changed(then, call.inputs, new)
        if now != then:
            old, new = (self._changed(now, call.inputs, answer) for answer in (old, new))
        return old, new

    def _of(self, revision: int) -> Rules:
        """The rules of a revision; those of all of them, if a record does not name its own."""
        if revision in self._rules:
            return self._rules[revision]
        return [rule for number in sorted(self._rules, reverse=True) for rule in self._rules[number]]

    def _changed(self, rules: Rules, inputs: str, answer: Answer) -> Answer:
        if not rules or not answer.body:
            return answer
        if answer.status < 400:
            return Answer(answer.status, self._kept(rules, inputs, answer.body, None).get("outputs", ""))
        error = self._kept(rules, inputs, None, _error_in(answer.body)).get("error")
        return Answer(answer.status, json.dumps({"error": error}) if error else "")

    def _kept(self, rules: Rules, inputs: str, outputs: str | None, error: str | None) -> dict[str, Any]:
        """Nothing where the process does not answer."""
        asked = {"rules": rules, "salt": self._salt, "inputs": inputs, "outputs": outputs, "error": error}
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


def _error_in(body: str) -> str | None:
    """The sentence of an error's body; None if it is no such body."""
    try:
        said = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return said if isinstance(said, str) else None
