"""`manage.py endreplicas`: ends what runs, for the time in which the platform is down."""

from typing import Any

from django.core.management.base import BaseCommand

from worker import supervisor


class Command(BaseCommand):
    help = "End every replica; what is wanted stays wanted, so stop the worker first or it starts them again."

    def handle(self, *args: Any, **options: Any) -> None:
        supervisor.stop_replicas()
