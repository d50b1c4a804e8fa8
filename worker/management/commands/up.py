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
from worker.gateway import installation


class Command(BaseCommand):
    help = "Set up what is missing, then run web, worker, beat and log consumer until Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--web-workers", type=int, default=2)

    def handle(self, *, web_workers: int, after: Callable[[], None] | None = None, **options: Any) -> None:
        os.umask(0o077)  # what is kept here is for nobody else on this machine
        settings.DATA_DIR.chmod(0o700)
        with supervisor.only_one(settings.DATA_DIR) as is_mine:
            if not is_mine:
                raise CommandError(f"Hopyard is running already with the data in {settings.DATA_DIR}.")
            self._check_gateway()
            self._check_port(settings.BIND, "HOPYARD_BIND")
            if not settings.REPLICA_PYTHON.exists():
                raise CommandError(
                    f"There is no {settings.REPLICA_PYTHON} to run replicas with; `make setup` makes it."
                )
            self._prepare()
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
        if not installation.is_on():
            return
        if installation.program() is None:
            raise CommandError("HOPYARD_GATEWAY is haproxy, but there is no haproxy on the PATH; install it.")
        if settings.GATEWAY_STATS_BIND:
            self._check_port(settings.GATEWAY_STATS_BIND, "HOPYARD_GATEWAY_STATS_BIND")

    def _check_port(self, bind: str, variable: str) -> None:
        host, _, port = bind.rpartition(":")
        try:
            if int(port) == 0:
                raise ValueError("a port must be named")
            family, kind, _, _, address = socket.getaddrinfo(
                host.strip("[]"), int(port), type=socket.SOCK_STREAM
            )[0]
            with socket.socket(family, kind) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
        except (OSError, ValueError, OverflowError) as error:
            raise CommandError(
                f"Hopyard cannot answer at {bind} ({error}); set {variable} to another address."
            ) from None
