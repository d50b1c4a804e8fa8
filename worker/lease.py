"""The right to work on a row: taken by compare-and-swap, renewed while it lasts, free if its holder dies."""

import contextlib
import secrets
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

from django.db import OperationalError, connection
from django.db.models import Q, QuerySet
from django.utils import timezone

from serving.models import Preflight, Replay, Serving

LENGTH = timedelta(seconds=15)
RENEWALS = 3  # in the length of a lease


def hold(key: int, of: type[Serving | Preflight | Replay] = Serving) -> AbstractContextManager[bool]:
    """Whether the right to take a step is ours; if so it stays ours until the block ends."""
    return take(of._default_manager.filter(pk=key), LENGTH)


@contextlib.contextmanager
def take(row: QuerySet[Any], length: timedelta, *, among: Q | None = None, **changes: Any) -> Iterator[bool]:
    """Whether the row is ours, as it can be if free and `among` those; `changes` are written with the lease."""
    token = secrets.token_hex(16)
    now = timezone.now()
    free = row.filter(among or Q(), Q(lease="") | Q(lease_until__lt=now))
    if not free.update(lease=token, lease_until=now + length, **changes):
        yield False
        return
    mine = row.filter(lease=token)
    is_over = threading.Event()
    renewal = threading.Thread(target=_renew, args=(mine, length, is_over), daemon=True)
    renewal.start()
    try:
        yield True
    finally:
        is_over.set()
        renewal.join()
        mine.update(lease="", lease_until=timezone.now())


def _renew(mine: QuerySet[Any], length: timedelta, is_over: threading.Event) -> None:
    try:
        while not is_over.wait(length.total_seconds() / RENEWALS):
            with contextlib.suppress(OperationalError):  # a busy database; the lease lasts for another try
                mine.update(lease_until=timezone.now() + length)
    finally:
        connection.close()
