"""Which commands bring a running HAProxy from what it has to what it should have. Pure functions."""

from collections.abc import Iterable, Iterator, Mapping

from worker.gateway.description import Server
from worker.gateway.runtime import Seen

FEW = 200  # changes of a map that are told one by one


def arrivals(backend: str, wanted: Iterable[Server], seen: Mapping[str, Seen], options: str) -> Iterator[str]:
    """What has to come, before anything goes."""
    for server in wanted:
        yield from _bring(f"{backend}/{server.name}", server, seen.get(server.name), options)


def departures(backend: str, wanted: Iterable[Server], seen: Mapping[str, Seen]) -> Iterator[str]:
    """Those that go are drained: they get nothing new and finish what they have."""
    names = {each.name for each in wanted}
    for name, has in seen.items():
        if name not in names and has.is_ready:
            yield f"set server {backend}/{name} state drain"


def removals(backend: str, wanted: Iterable[Server], seen: Mapping[str, Seen]) -> Iterator[tuple[str, str]]:
    """What takes each drained server out of a backend; HAProxy refuses while it has something to do."""
    names = {each.name for each in wanted}
    for name, has in seen.items():
        if name not in names and not has.is_ready:
            yield f"set server {backend}/{name} state maint", f"del server {backend}/{name}"


def of_map(name: str, wanted: Mapping[str, str], has: Mapping[str, str]) -> list[str] | None:
    """Line by line, new ones before old ones go. None: so much changed that the map is better replaced as a whole."""
    added = {key: value for key, value in wanted.items() if key not in has}
    changed = {key: value for key, value in wanted.items() if key in has and has[key] != value}
    gone = [key for key in has if key not in wanted]
    if len(added) + len(changed) + len(gone) > FEW:
        return None
    return [
        *(f"set map {name} {key} {value}" for key, value in changed.items()),
        *(f"add map {name} {key} {value}" for key, value in added.items()),
        *(f"del map {name} {key}" for key in gone),
    ]


def _bring(name: str, server: Server, has: Seen | None, options: str) -> Iterator[str]:
    if has is None:
        yield f"add server {name} {server.address} {options}{' backup' if server.is_backup else ''}"
        yield f"enable server {name}"
        if " check " in options:
            yield f"enable health {name}"
        return
    if has.server.address != server.address:
        host, _, port = server.address.rpartition(":")
        yield f"set server {name} addr {host} port {port}"
    if not has.is_ready:
        yield f"set server {name} state ready"
