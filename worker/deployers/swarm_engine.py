"""Speaks to the manager of a Swarm: its errors as sentences, and what tasks on its nodes wrote."""

import contextlib
import functools
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import requests
from docker.errors import NotFound

from worker.deployers import engine, output
from worker.deployers.base import DeployerError
from worker.deployers.swarm_tasks import Sight

REPORT_LINES = 2000


@contextlib.contextmanager
def errors(url: str) -> Iterator[None]:
    """As `engine.errors`, with a sentence of its own for an engine that manages no Swarm."""
    try:
        with engine.errors(url):
            yield
    except DeployerError as error:
        if "not a swarm manager" not in error.reason:
            raise
        reason = (
            f"The engine at {url} manages no Swarm: run `docker swarm init` there, or name a manager in "
            "HOPYARD_DOCKER_URL."
        )
        raise DeployerError("NotASwarmManager", reason, may_pass=True) from error


@functools.lru_cache(maxsize=4096)
def last_words(
    url: str, service: str, task: str, container: str
) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """What an ended task reported, and its container's state if it is on this engine; neither changes any more."""
    client: Any = engine.client(url)
    said = output.read_report(_output(client, service, tail=REPORT_LINES)) if container else None
    try:
        state = client.inspect_container(container)["State"] if container else None
    except NotFound:
        state = None
    return said, state


def lines(client: Any, sight: Sight, *, since: datetime | None = None, tail: int | str = "all") -> list[str]:
    """Nothing where the node that has them does not answer: the engine would wait for it."""
    if not sight.container or sight.node is None or sight.node.is_down:
        return []
    return _output(client, sight.id, since=since, tail=tail)


def _output(
    client: Any, service: str, *, since: datetime | None = None, tail: int | str = "all"
) -> list[str]:
    frames = client.service_logs(
        service,
        stdout=True,
        stderr=True,
        timestamps=True,
        since=int(since.timestamp()) if since else 0,
        tail=tail,
        is_tty=False,
    )
    try:
        return output.timed_lines(b"".join(_whole(frames)))
    except requests.RequestException:  # the node went away while it was asked
        return []


def _whole(frames: Iterator[bytes]) -> Iterator[bytes]:
    """The engine splits a long line, and gives each part a time; only the first one's belongs to the line."""
    is_begun = False
    for frame in frames:
        yield frame.partition(b" ")[2] if is_begun else frame
        is_begun = not frame.endswith(b"\n")
