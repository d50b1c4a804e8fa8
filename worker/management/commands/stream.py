"""`manage.py stream`: the process that asks servings through topics."""

import logging
import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error, close_old_connections

from worker.streaming.following import Lanes
from worker.streaming.lane import Lane
from worker.streaming.wanted import streams
from worker.topics import installed

LOOK_SECONDS = 1.0
AT_ONCE = 32
MOST_AT_ONCE = 1000

log = logging.getLogger(__name__)


class Command(BaseCommand):
    requires_system_checks = ()  # which load all of the web's code; `up` makes them
    help = (
        "Ask servings what comes in their input topics and answer to their output topics, until told to stop."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--at-once", type=int, default=AT_ONCE, help="requests of a serving that are asked at a time"
        )

    def handle(self, *, at_once: int, **options: Any) -> None:
        if not 1 <= at_once <= MOST_AT_ONCE:
            raise CommandError(f"--at-once is a number from 1 to {MOST_AT_ONCE}, not {at_once}.")
        is_over = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: is_over.set())
        broker = installed.broker()
        lanes = Lanes(lambda stream: Lane(stream, broker, at_once=at_once))
        while not is_over.is_set():
            look(lanes)
            is_over.wait(LOOK_SECONDS)
        lanes.close()


def look(lanes: Lanes) -> None:
    """Follow what is wanted; while it is not known, the lanes that there are go on."""
    try:
        close_old_connections()
        lanes.follow(streams())
        (settings.DATA_DIR / "streamer-alive").touch()  # what a health check looks at
    except Error as error:
        log.warning("The database does not say who is asked through topics: %s", error)
    except Exception:
        log.exception("It could not be looked who is asked through topics")
