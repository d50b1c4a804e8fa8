"""`manage.py consume`: the log consumer's process."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand
from django.db import close_old_connections

from worker import log_consumer

PAUSE_SECONDS = 1.0


class Command(BaseCommand):
    help = "Store inference records from the topics in the database until told to stop."

    def handle(self, *args: Any, **options: Any) -> None:
        is_over = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: is_over.set())
        while not is_over.is_set():
            close_old_connections()
            if not log_consumer.consume_once():
                is_over.wait(PAUSE_SECONDS)
