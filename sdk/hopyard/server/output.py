"""Where words go: the script's prints line by line to stdout, our own log to stderr."""

import logging
import sys
from typing import TextIO


class _Stderr(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Drop what cannot be written: a script that closed stderr must not keep a request from its answer."""


def set_up() -> None:
    """Make prints appear at once, and log without touching the root logger, which is the script's."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    handler = _Stderr(sys.stderr)
    time = "%(asctime)s " if sys.stderr.isatty() else ""  # elsewhere whoever keeps the log adds it
    handler.setFormatter(logging.Formatter(f"{time}%(levelname)s %(message)s"))
    ours = logging.getLogger("hopyard")
    ours.handlers[:] = [handler]
    ours.setLevel(logging.INFO)
    ours.propagate = False
