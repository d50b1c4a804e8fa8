"""`manage.py consume`: the process of the log consumer and, where replicas run at an engine, the log keeper."""

import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import close_old_connections

from worker import log_consumer, log_keeper

PAUSE_SECONDS = 1.0


class Command(BaseCommand):
    help = "Store inference records from the topics in the database, and containers' logs in files, until told to stop."

    def handle(self, *args: Any, **options: Any) -> None:
        is_over = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: is_over.set())
        if log_keeper.is_needed():
            threading.Thread(target=log_keeper.run, args=[is_over], name="log keeper", daemon=True).start()
        while not is_over.is_set():
            close_old_connections()
            (settings.DATA_DIR / "consumer-alive").touch()  # what a health check looks at
            if not log_consumer.consume_once():
                is_over.wait(PAUSE_SECONDS)
