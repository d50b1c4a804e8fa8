"""Follows what replicas at a Docker engine write: which outputs there are, and their lines with the engine's times.

The engine sends a frame for each line and splits a long line into several, of which all but the last lack the line
end. Both output streams come mixed, so pieces are joined stream by stream.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import docker
import requests
import urllib3

from worker.deployers import containers
from worker.deployers.output import MARK, before_report
from worker.deployers.runner import LONGEST_LINE
from worker.deployers.swarm_tasks import is_placeholder

CONNECT_SECONDS = 10
QUIET_SECONDS = {"containers": 30, "services": 5}
"""A stream that says nothing for so long is asked for anew: its other end may be gone without a word, and that of a
service does not end with its task."""
FRAME = struct.Struct(">BxxxL")
MOST_STREAMS = 256
ENDED = {"exited", "dead"}
ENDED_TASKS = {"complete", "failed", "shutdown", "rejected", "orphaned", "remove"}
OF_A_SERVICE = "com.docker.swarm.task.id"
MILLISECONDS = len("2026-01-01T00:00:00.000")
REPORT = MARK.encode()


@dataclass(frozen=True)
class Output:
    """The output of one replica; `path` is where the engine gives it, `is_live` that more may come."""

    serving: str
    replica: str
    path: str
    is_live: bool


@dataclass(frozen=True)
class Line:
    """A line and its time in UTC to the millisecond, as logs write it."""

    time: str
    text: bytes


class Silence(Exception):
    """The engine does not answer, or knows nothing of the output."""


class Engine:
    """The outputs of this installation's replicas at one engine; with `services`, also those of its Swarm."""

    def __init__(self, url: str, *, installation: str, services: bool) -> None:
        self._client = docker.APIClient(
            base_url=url, version="auto", timeout=CONNECT_SECONDS, max_pool_size=MOST_STREAMS
        )
        mine = containers.mine(installation)
        self._labels = [*(f"{name}={value}" for name, value in mine.items()), containers.REPLICA]
        self._has_services = services

    def close(self) -> None:
        self._client.close()

    def outputs(self) -> list[Output]:
        """Those of every container and service that is a replica, of ended ones as well."""
        try:
            found = self._client.containers(all=True, filters={"label": self._labels})
            outputs = [
                _output(f"containers/{each['Id']}", each["Labels"], is_live=each["State"] not in ENDED)
                for each in found
                if OF_A_SERVICE not in each["Labels"]
            ]
            return outputs + (self._of_services() if self._has_services else [])
        except (docker.errors.DockerException, requests.RequestException) as error:
            raise Silence(str(error)) from error

    def lines(self, output: Output, since: str = "") -> Iterator[Line]:
        """Its lines from the time `since` on, without reports; of a living one those to come, too."""
        asked: dict[str, int | str] = {
            "stdout": 1,
            "stderr": 1,
            "timestamps": 1,
            "follow": int(output.is_live),
        }
        if since:
            asked["since"] = _seconds(since)
        url = f"{self._client.base_url}/v{self._client.api_version}/{output.path}/logs"
        try:
            timeout = (CONNECT_SECONDS, QUIET_SECONDS[output.path.partition("/")[0]])
            with self._client.get(url, params=asked, stream=True, timeout=timeout) as answer:
                answer.raise_for_status()
                yield from joined(_frames(answer.raw))
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise Silence(str(error)) from error

    def _of_services(self) -> list[Output]:
        services = self._client.services(filters={"label": self._labels})  # type: ignore[no-untyped-call]
        if not services:
            return []
        tasks: dict[str, list[str]] = {each["ID"]: [] for each in services}
        for task in self._client.tasks(filters={"service": list(tasks)}):  # type: ignore[no-untyped-call]
            if not is_placeholder(task):
                tasks[task["ServiceID"]].append(task["Status"]["State"])
        return [
            _output(
                f"services/{each['ID']}", each["Spec"]["Labels"], is_live=_may_write(each, tasks[each["ID"]])
            )
            for each in services
        ]


class Source(Protocol):
    """What frames are read from."""

    def read(self, amount: int) -> bytes: ...


def joined(frames: Iterator[tuple[int, bytes]]) -> Iterator[Line]:
    """Whole lines of frames that each begin with a time; what stands open when the frames end is a line, too."""
    open_: dict[int, Line] = {}
    for stream, frame in frames:
        time, _, text = frame.partition(b" ")
        begun = open_.pop(stream, None) or Line(_milliseconds(time), b"")
        line = Line(begun.time, begun.text + text.removesuffix(b"\n").removesuffix(b"\r"))
        if not text.endswith(b"\n") and len(line.text) < LONGEST_LINE:
            open_[stream] = line
        else:
            yield from _own(line)
    for line in open_.values():
        yield from _own(line)


def _own(line: Line) -> Iterator[Line]:
    """The line without a report at its end; nothing if that was all."""
    if REPORT not in line.text:
        yield line
    elif rest := before_report(line.text.decode(errors="surrogateescape")):
        yield Line(line.time, rest.encode(errors="surrogateescape"))


def _frames(source: Source) -> Iterator[tuple[int, bytes]]:
    """Pairs of stream and content."""
    while len(head := source.read(FRAME.size)) == FRAME.size:
        stream, length = FRAME.unpack(head)
        content = source.read(length)
        if len(content) < length:
            return
        yield stream, content


def _may_write(service: dict[str, Any], states: list[str]) -> bool:
    """Whether a task of it runs, or none has come yet although one is wanted."""
    if not states:
        return bool(service["Spec"]["Mode"].get("Replicated", {}).get("Replicas"))
    return not ENDED_TASKS.issuperset(states)


def _output(path: str, labels: dict[str, str], *, is_live: bool) -> Output:
    return Output(labels[containers.SERVING], labels[containers.REPLICA], path, is_live)


def _milliseconds(time: bytes) -> str:
    """Of the engine's time, which has nine digits after the point."""
    return f"{time[:MILLISECONDS].decode()}Z"


def _seconds(time: str) -> str:
    return f"{datetime.fromisoformat(time).timestamp():.3f}"
