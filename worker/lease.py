"""The right to take a step for a serving or a pre-flight: short, renewed while it lasts, free if its holder dies."""

import contextlib
import secrets
import threading
from collections.abc import Iterator
from datetime import timedelta

from django.db import OperationalError, connection
from django.db.models import Q, QuerySet
from django.utils import timezone

from serving.models import Preflight, Serving

Leased = Serving | Preflight
LENGTH = timedelta(seconds=15)
RENEWED_EVERY_SECONDS = 5.0


@contextlib.contextmanager
def hold(key: int, of: type[Leased] = Serving) -> Iterator[bool]:
    """Whether the lease on a row is ours; if so it stays ours until the block ends."""
    token = secrets.token_hex(16)
    rows = of.objects.filter(pk=key)
    free = rows.filter(Q(lease="") | Q(lease_until__lt=timezone.now()))
    if not free.update(lease=token, lease_until=timezone.now() + LENGTH):
        yield False
        return
    is_over = threading.Event()
    renewal = threading.Thread(target=_renew, args=(rows, token, is_over), daemon=True)
    renewal.start()
    try:
        yield True
    finally:
        is_over.set()
        renewal.join()
        rows.filter(lease=token).update(lease="")


def _renew(rows: "QuerySet[Leased]", token: str, is_over: threading.Event) -> None:
    try:
        while not is_over.wait(RENEWED_EVERY_SECONDS):
            with contextlib.suppress(OperationalError):  # a busy database is asked again
                rows.filter(lease=token).update(lease_until=timezone.now() + LENGTH)
    finally:
        connection.close()
