"""`manage.py prepare`: what must be there before the platform's programs start."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from accounts import installation
from worker.gateway import installation as gateway
from worker.gateway import publishing


class Command(BaseCommand):
    help = (
        "Bring the database, the pages' files and the gateway's up to date, and make the first administrator."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            call_command("migrate", interactive=False, verbosity=0)
        except OperationalError as error:
            raise CommandError(f"The database does not answer; check HOPYARD_DATABASE_URL. {error}") from None
        call_command("collectstatic", interactive=False, verbosity=0)
        if gateway.is_on():
            publishing.prepare()
        password = installation.first_time()
        if password is not None:
            self.stdout.write(
                f"\n  Sign in as {installation.ADMIN} with the password {password}\n"
                "  (shown this once; `manage.py changepassword admin` sets another)\n"
            )
