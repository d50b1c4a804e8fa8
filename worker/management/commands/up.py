"""`manage.py up`: the whole platform in the foreground."""

import logging
import os
import socket
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from worker import supervisor
from worker.gateway import installation, publishing
from worker.gateway.runtime import Refused

GATEWAY = "HOPYARD_GATEWAY"
OLDEST = ".".join(map(str, installation.OLDEST))
STATS_BIND = "HOPYARD_GATEWAY_STATS_BIND"


class Command(BaseCommand):
    help = "Set up what is missing, then run web, worker, beat, log consumer and streamer until Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--web-workers", type=int, default=2)

    def handle(self, *, web_workers: int, after: Callable[[], None] | None = None, **options: Any) -> None:
        os.umask(0o077)  # what is kept here is for nobody else on this machine
        settings.DATA_DIR.chmod(0o700)
        with supervisor.only_one(settings.DATA_DIR) as is_mine:
            if not is_mine:
                raise CommandError(f"Hopyard is running already with the data in {settings.DATA_DIR}.")
            self._check_statistics()
            if why := _why_not(settings.BIND):
                raise CommandError(
                    f"Hopyard cannot answer at {settings.BIND} ({why}); set HOPYARD_BIND to another address."
                )
            if not settings.REPLICA_PYTHON.exists():
                raise CommandError(
                    f"There is no {settings.REPLICA_PYTHON} to run replicas with; `make setup` makes it."
                )
            self._prepare()
            self._check_gateway()
            supervisor.run(
                supervisor.programs(web_workers=web_workers), on_ready=lambda: self._welcome(after)
            )

    def _prepare(self) -> None:
        call_command("prepare", stdout=self.stdout)
        logging.getLogger("worker").setLevel(logging.INFO)

    def _welcome(self, after: Callable[[], None] | None) -> None:
        self.stdout.write(f"\n  Hopyard answers at {settings.PUBLIC_URL}   (Ctrl-C stops it)\n")
        self.stdout.flush()
        if after is not None:
            after()

    def _check_gateway(self) -> None:
        """Write what HAProxy is about to read and have it look; one that nobody asked for can be done without."""
        if not installation.is_on() or not (why := _why_no_gateway()):
            return
        if settings.GATEWAY == "haproxy":
            raise CommandError(f"The gateway cannot start: {why} HOPYARD_GATEWAY=off does without it.")
        self.stderr.write(
            f"There is no gateway, the web answers alone and more slowly: {why} HOPYARD_GATEWAY=off says that none is"
            " wanted."
        )
        settings.GATEWAY = os.environ[GATEWAY] = "off"  # for the programs that are started as well

    def _check_statistics(self) -> None:
        if not installation.is_on():
            return
        if (bind := settings.GATEWAY_STATS_BIND) and (why := _why_not(bind)):
            self.stderr.write(
                f"The gateway's statistics are shown nowhere, since {bind} cannot be had ({why}); set {STATS_BIND} "
                "to another address."
            )
            settings.GATEWAY_STATS_BIND = os.environ[STATS_BIND] = (
                ""  # for the programs that are started as well
            )


def _why_no_gateway() -> str:
    """What keeps HAProxy from starting, in sentences; empty if nothing does."""
    if installation.program() is None:
        return f"there is no haproxy {OLDEST} or newer on the PATH; install it."
    for bind in settings.GATEWAY_TLS_BIND.split(",") if settings.GATEWAY_CERTIFICATE else ():
        if why := _why_not(bind):
            return f"{bind} cannot be had ({why}); set HOPYARD_GATEWAY_TLS_BIND to another address."
    publishing.prepare()
    try:
        publishing.check()
    except Refused as error:
        return f"{error} The settings HOPYARD_GATEWAY_… are what it is made of."
    return ""


def _why_not(bind: str) -> str:
    """Why nothing can listen at an address; empty if it can."""
    host, _, port = bind.rpartition(":")
    try:
        if int(port) == 0:
            raise ValueError("a port must be named")
        family, kind, _, _, address = socket.getaddrinfo(
            host.strip("[]*") or None, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, ValueError, OverflowError) as error:
        return str(error)
    return ""
