"""Tells a running HAProxy, by commands, the difference between what it has and what it should have."""

import contextlib
from collections.abc import Callable, Iterable, Mapping

from worker.gateway import changes, render
from worker.gateway.description import Entry, Installation
from worker.gateway.runtime import Refused, Runtime, Seen

Has = Mapping[str, Mapping[str, Seen]]


def servings(
    installation: Installation, runtime: Runtime, entries: Iterable[Entry], between: Callable[[], None]
) -> None:
    """Those that come first, those that go last; `between` moves the canaries' percents, which is done before a canary
    goes and after it came.
    """
    known = [(entry, runtime.servers(entry.servers)) for entry in entries]
    for entry, has in known:
        _bring(installation, runtime, entry, has)
    between()
    for entry, has in known:
        _drain(runtime, entry, has)


def of_map(runtime: Runtime, name: str, wanted: Mapping[str, str]) -> None:
    has = runtime.map(name)
    if has == wanted:
        return
    commands = changes.of_map(name, wanted, has)
    if commands is None:
        runtime.replace_map(name, wanted)
    for command in commands or ():
        runtime.tell(command)


def _bring(installation: Installation, runtime: Runtime, entry: Entry, has: Has) -> None:
    for backend, wanted in entry.servers.items():
        options = render.server_options(installation, backend)
        for command in changes.arrivals(backend, wanted, has[backend], options):
            runtime.tell(command)


def _drain(runtime: Runtime, entry: Entry, has: Has) -> None:
    for backend, wanted in entry.servers.items():
        for command in changes.departures(backend, wanted, has[backend]):
            runtime.tell(command)
        for rest, end in changes.removals(backend, wanted, has[backend]):
            runtime.tell(rest)
            with contextlib.suppress(Refused):  # it has requests under way: the next call tries again
                runtime.tell(end)
