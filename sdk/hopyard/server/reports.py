"""What the platform is told by a replica: where it listens, why it ended, what pre-flight found.

A replica that shares no disk with the platform prints its reports instead of writing them to a file. One report is
some lines of output, each short enough that nothing else comes between its bytes:

    ::hopyard-report:: <number>/<how many> <piece of the base64 of the JSON document>
"""

import base64
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hopyard.server.failures import Failure

MARK = "::hopyard-report::"
OUTPUT = "output"
STDOUT = 1
# A pipe takes up to 4096 bytes at once or not at all, so no line is torn by what the script prints.
PIECE_CHARS = 4000


class Outlet(Protocol):
    """Where reports go; the last one counts."""

    def write(self, text: str) -> None:
        """Publish a JSON document. Raises OSError."""


@dataclass(frozen=True, slots=True)
class FileOutlet:
    """A file that is replaced whole."""

    path: Path

    def write(self, text: str) -> None:
        _write(self.path, text)


class OutputOutlet:
    """The standard output as it is now, whatever the script does to it later."""

    def __init__(self) -> None:
        self._descriptor = os.dup(STDOUT)

    def write(self, text: str) -> None:
        for line in lines(text):
            data = f"{line}\n".encode()
            while data:
                data = data[os.write(self._descriptor, data) :]


def outlet(path: Path | None, reports: str) -> Outlet | None:
    """Where a replica's reports go by its settings; None: nowhere."""
    if reports == OUTPUT:
        return OutputOutlet()
    # The script may change directory.
    return FileOutlet(path.absolute()) if path else None


def lines(text: str) -> list[str]:
    """One report as the lines it is printed in."""
    coded = base64.b64encode(text.encode(errors="backslashreplace")).decode()
    pieces = [coded[start : start + PIECE_CHARS] for start in range(0, len(coded), PIECE_CHARS)]
    return [f"{MARK} {number}/{len(pieces)} {piece}" for number, piece in enumerate(pieces, 1)]


def write_address(path: Path, host: str, port: int) -> None:
    """Publish the private address as `host:port`, an IPv6 host in brackets."""
    _write(path, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")


def write_termination(outlet: Outlet, failure: Failure) -> None:
    """Publish `{"code", "reason", "evidence"}`."""
    known = {"code": failure.code, "reason": failure.reason, "evidence": failure.evidence}
    outlet.write(json.dumps(known))


def write_preflight(outlet: Outlet, checks: Sequence[Mapping[str, Any]]) -> None:
    """Publish `{"code": "Preflight", "checks": [...]}`."""
    outlet.write(json.dumps({"code": "Preflight", "checks": checks}))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text, encoding="utf-8", errors="backslashreplace")
    partial.replace(path)
