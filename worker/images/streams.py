"""Reads what an engine tells of a build, a pull or a push: whole lines while they come, and its error."""

import queue
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from worker.environments.uv import Tell
from worker.images import problems

TICK_SECONDS = 0.25
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
UNTOLD = ("Step ", " ---> ", "Removing intermediate container", "Successfully ")


@dataclass(frozen=True)
class Told:
    """`output` is what the steps printed, without the engine's own remarks; `error` empty if all went well."""

    output: str
    error: str


def follow(events: Iterable[Mapping[str, Any]], tell: Tell, seconds: float) -> Told:
    """Every line is told when it is whole, nothing at all now and then while none comes."""
    held, lines, error = "", [], ""
    for event in _within(events, seconds):
        if event is None:
            tell("")
            continue
        error = str(event.get("error") or error)
        *whole, held = (held + COLOUR.sub("", _text(event)).replace("\0", "")).split("\n")
        for line in filter(_is_of_interest, whole):
            lines.append(line)
            tell(line)
    if _is_of_interest(held):
        lines.append(held)
        tell(held)
    return Told("\n".join(lines), error)


def _text(event: Mapping[str, Any]) -> str:
    """A build's own text; of a pull and a push the milestones, not the bars."""
    if "stream" in event:
        return str(event["stream"])
    if event.get("progressDetail"):
        return ""
    return f"{event.get('id', '')} {event['status']}\n".lstrip() if "status" in event else ""


def _is_of_interest(line: str) -> bool:
    return bool(line.strip()) and not line.startswith(UNTOLD)


def _within(events: Iterable[Mapping[str, Any]], seconds: float) -> Iterator[Mapping[str, Any] | None]:
    """The events, or None after each moment without one; a thread waits for them, as the client cannot."""
    arrived: queue.Queue[Mapping[str, Any] | BaseException | None] = queue.Queue()
    threading.Thread(target=_read, args=(events, arrived), daemon=True).start()
    deadline = time.monotonic() + seconds
    while True:
        if time.monotonic() > deadline:
            raise problems.of_time(seconds)
        try:
            found = arrived.get(timeout=TICK_SECONDS)
        except queue.Empty:
            yield None
            continue
        if found is None:
            return
        if isinstance(found, BaseException):
            raise found
        yield found


def _read(
    events: Iterable[Mapping[str, Any]], arrived: "queue.Queue[Mapping[str, Any] | BaseException | None]"
) -> None:
    try:
        for event in events:
            arrived.put(event)
    except BaseException as error:
        arrived.put(error)
    else:
        arrived.put(None)
