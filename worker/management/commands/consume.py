"""`manage.py consume`: the process of the log consumer and, where replicas run at an engine, the log keeper."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from worker import log_keeper
from worker.consuming import consumer, forwarding


class Command(BaseCommand):
    requires_system_checks = ()  # which load all of the web's code; `up` makes them
    help = "Store inference records from the topics in the database, and containers' logs in files, until told to stop."

    def handle(self, *args: Any, **options: Any) -> None:
        is_over = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: is_over.set())
        if log_keeper.is_needed():
            threading.Thread(target=log_keeper.run, args=[is_over], name="log keeper", daemon=True).start()
        threading.Thread(target=forwarding.run, args=[is_over], name="forwarder", daemon=True).start()
        consumer.run(is_over)
