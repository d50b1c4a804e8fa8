"""Tells the gateway which replicas answer for a serving, and which keys may call.

Nothing here raises because of a gateway that is away or refuses: that is logged, once, and mended by the next call,
since every call compares what HAProxy has with what it should have.
"""

import logging
from collections.abc import Callable, Collection
from dataclasses import replace

from django.conf import settings

from accounts import queries as accounts
from serving import traffic
from serving.models import Serving
from serving.traffic import Target
from worker.gateway import installation
from worker.gateway.applying import Gateway
from worker.gateway.description import Entry, Key, Server
from worker.gateway.files import Files
from worker.gateway.runtime import Away, Refused, Runtime

log = logging.getLogger(__name__)

_told: set[str] = set()


def publish(serving: Serving, leaving: Collection[str] = ()) -> None:
    """Send requests to the ready replicas of `traffic.routes` without those named in `leaving`, which get no new
    request once this returns. The replicas' rows are what was seen last; where nothing changed, nothing is done.
    """
    if not installation.is_on():
        return
    entry = _entry(serving, leaving)
    gateway = _gateway()
    with gateway.files.locked():
        structure = gateway.keep(entry)
        _quietly(lambda: gateway.tell(structure, [entry]))


def withdraw(serving: Serving) -> None:
    """The serving is no more."""
    if not installation.is_on():
        return
    gateway = _gateway()
    with gateway.files.locked():
        if gateway.files.forget(serving.pk):
            structure = gateway.write()
            _quietly(lambda: gateway.tell(structure, ()))


def publish_keys() -> None:
    """Have the gateway know all keys as they are now: those that came, changed or were revoked take effect at once."""
    if not installation.is_on():
        return
    gateway = _gateway()
    with gateway.files.locked():
        gateway.write_keys(_keys())
        _quietly(gateway.tell_keys)


def prepare() -> None:
    """Write everything for a HAProxy that is about to start, where no replica is known before the worker has seen it;
    one that runs already goes on with those that it has.
    """
    gateway = _gateway()
    with gateway.files.locked():
        is_running = bool(gateway.running())
        known = set(Serving.objects.filter(is_deleted=False).values_list("pk", flat=True))
        for entry in gateway.files.entries():
            if entry.number not in known:
                gateway.files.forget(entry.number)
            elif not is_running:
                gateway.files.keep(replace(entry, stable=(), canary=(), percent=0))
        gateway.write_keys(_keys())
        if is_running:
            _quietly(gateway.tell_keys)
        else:
            gateway.forget_troubles()
        gateway.write()


def check() -> None:
    """Have HAProxy look at what was written, before it is started with it. Raises Refused."""
    _gateway().runtime.check()


def _gateway() -> Gateway:
    folder = installation.folder()
    return Gateway(installation.described(), Files(folder), Runtime(folder))


def _entry(serving: Serving, leaving: Collection[str]) -> Entry:
    """A route that has no replica but leaving ones gives its part to the other."""
    by_kind: dict[bool, tuple[Server, ...]] = {False: (), True: ()}
    percent = 0
    for route in traffic.routes(serving):
        by_kind[route.is_canary] = _servers(route.targets, leaving)
        percent = route.percent if route.is_canary else percent
    stable, canary = by_kind[False], by_kind[True]
    if not stable or not canary:
        stable, canary, percent = stable or canary, (), 0
    return Entry(
        number=serving.pk,
        project=serving.project.name,
        serving=serving.name,
        token=serving.gateway_token,
        port=0 if _listens_itself(serving, stable + canary) else serving.port,
        stable=stable,
        canary=canary,
        percent=percent,
    )


def _listens_itself(serving: Serving, servers: Collection[Server]) -> bool:
    """Whether all that answers are local replicas, or will be where nothing does: those of the revision that an edit
    replaced may run elsewhere and need the gateway's port as long as they answer.
    """
    rows = serving.replicas.filter(name__in=[each.name for each in servers])
    deployers = set(rows.values_list("deployer", flat=True)) if servers else {serving.current.deployer}
    return all((each or settings.DEPLOYER) == "local" for each in deployers)


def _servers(targets: Collection[Target], leaving: Collection[str]) -> tuple[Server, ...]:
    return tuple(Server(each.name, each.address) for each in targets if each.name not in leaving)


def _keys() -> list[Key]:
    return [
        Key(
            id=row.id,
            digest=row.digest,
            project=row.project.name,
            expires=int(row.expires_at.timestamp()) if row.expires_at else 0,
            may_predict=may_predict,
            limit=settings.KEY_RATE_LIMIT if row.requests_per_second is None else row.requests_per_second,
        )
        for row, may_predict in accounts.living_keys()
    ]


def _quietly(tell: Callable[[], None]) -> None:
    """The files are written, so a gateway that is away reads them when it comes."""
    try:
        tell()
    except (Away, Refused) as error:
        if (said := str(error)) not in _told:
            _told.add(said)
            log.warning("%s", said)
    else:
        _told.clear()
