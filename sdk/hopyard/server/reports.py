"""The small files the platform reads: where this server listens, why it ended, what pre-flight found."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hopyard.server.failures import Failure


def write_address(path: Path, host: str, port: int) -> None:
    """Publish the private address as `host:port`, an IPv6 host in brackets."""
    _write(path, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")


def write_termination(path: Path, failure: Failure) -> None:
    """Publish `{"code", "reason", "evidence"}`."""
    known = {"code": failure.code, "reason": failure.reason, "evidence": failure.evidence}
    _write(path, json.dumps(known))


def write_preflight(path: Path, checks: Sequence[Mapping[str, Any]]) -> None:
    """Publish `{"code": "Preflight", "checks": [...]}`."""
    _write(path, json.dumps({"code": "Preflight", "checks": checks}))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text, encoding="utf-8", errors="backslashreplace")
    partial.replace(path)
