"""`manage.py up`: the whole platform in the foreground."""

import logging
import os
import socket
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from accounts import installation
from worker import supervisor


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
            self._check_port()
            if not settings.REPLICA_PYTHON.exists():
                raise CommandError(
                    f"There is no {settings.REPLICA_PYTHON} to run replicas with; `make setup` makes it."
                )
            self._prepare()
            supervisor.run(
                supervisor.programs(web_workers=web_workers), on_ready=lambda: self._welcome(after)
            )

    def _prepare(self) -> None:
        try:
            call_command("migrate", interactive=False, verbosity=0)
        except OperationalError as error:
            raise CommandError(f"The database does not answer; check HOPYARD_DATABASE_URL. {error}") from None
        call_command("collectstatic", interactive=False, verbosity=0)
        password = installation.first_time()
        if password is not None:
            self.stdout.write(
                f"\n  Sign in as {installation.ADMIN} with the password {password}\n"
                "  (shown this once; `manage.py changepassword admin` sets another)\n"
            )
        logging.getLogger("worker").setLevel(logging.INFO)

    def _welcome(self, after: Callable[[], None] | None) -> None:
        self.stdout.write(f"\n  Hopyard answers at {settings.PUBLIC_URL}   (Ctrl-C stops it)\n")
        self.stdout.flush()
        if after is not None:
            after()

    def _check_port(self) -> None:
        host, _, port = settings.BIND.rpartition(":")
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
                f"Hopyard cannot answer at {settings.BIND} ({error}); set HOPYARD_BIND to another address."
            ) from None
