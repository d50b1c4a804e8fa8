"""`manage.py endreplicas`: nothing of this installation runs any more; the next start of the platform brings it back."""

from typing import Any

from django.core.management.base import BaseCommand

from worker import supervisor


class Command(BaseCommand):
    help = "End every replica; what is wanted stays wanted, so stop the worker first or it starts them again."

    def handle(self, *args: Any, **options: Any) -> None:
        supervisor.stop_replicas()
