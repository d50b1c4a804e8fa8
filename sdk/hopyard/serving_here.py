"""The words of `hopyard serve`: options into arguments of the model server, and what it says when that is ready."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from hopyard.server.answering import Announcement, Told

EXAMPLES = """\b
hopyard serve iris.py --model-dir iris/ --reload
hopyard serve iris.py --workers 4 -- --threshold 0.5

Every setting of the model server is also a variable, as HOPYARD_MAX_BODY_BYTES; the spellings of KServe
(--http_port, --model_name ...) are understood too.
"""
# They reach the server, and the script, as they were typed.
KSERVE = (
    "http_port",
    "grpc_port",
    "max_asyncio_workers",
    "enable_grpc",
    "enable_latency_logging",
    "model_name",
)
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to

F = TypeVar("F", bound=Callable[..., Any])


def kserve_spellings(command: F) -> F:
    for name in KSERVE:
        command = click.option(f"--{name}", f"kserve_{name}", hidden=True)(command)
    return command


def server_arguments(script: str, given: Mapping[str, Any], arguments: Sequence[str]) -> list[str]:
    """The command line of the model server."""
    words = [script]
    for name, value in given.items():
        if name == "reload":
            words += ["--reload"] if value else []
        elif value is not None:
            is_kserve = name.startswith("kserve_")
            option = name.removeprefix("kserve_") if is_kserve else name.replace("_", "-")
            words += [f"--{option}", str(value)]
    return [*words, *(["--", *arguments] if arguments else [])]


def welcome(announcement: Announcement, example: str | None) -> None:
    """Say where to ask, and show how."""
    host = announcement.host
    if host in EVERYWHERE:
        host = "localhost"
    address = f"http://{f'[{host}]' if ':' in host else host}:{announcement.port}"
    lines = [f"Listening on {address}; its documentation is at {address}/docs"]
    if announcement.grpc_port is not None:
        lines.append(f"Listening for gRPC on {host}:{announcement.grpc_port}")
    for told in announcement.models:
        path, body = _question(told)
        lines += [
            "",
            f"Predict with {told.name}: POST {address}{path}",
            f"  {_curl(address + path, body, example)}",
        ]
        example = None  # it is one of the first model
    with suppress(OSError):  # nobody reads
        click.echo("\n".join(["", *lines, ""]))


def _question(told: Told) -> tuple[str, str]:
    """Where this model is asked, and a body that shows the shape."""
    if told.verbs:
        verb = "predict" if "predict" in told.verbs else told.verbs[0]
        return f"/v1/models/{told.name}:{verb}", '{"instances": [[1, 2, 3, 4]]}'
    return f"/v2/models/{told.name}/infer", '{"inputs": [[1, 2, 3, 4]]}'


def _curl(url: str, body: str, example: str | None) -> str:
    data = f"@{example}" if example and _is_request(example) else body
    return f"curl {shlex.quote(url)} -H 'content-type: application/json' -d {shlex.quote(data)}"


def _is_request(example: str) -> bool:
    """An example may also be the bare rows, which are no body to send."""
    try:
        return Path(example).read_text(encoding="utf-8").lstrip().startswith("{")
    except (OSError, ValueError):
        return False
