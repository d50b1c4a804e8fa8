"""The right to resolve or build a row: taken by compare-and-swap, renewed while it lasts, free if its holder dies."""

import contextlib
import secrets
import threading
from collections.abc import Collection, Iterator
from datetime import timedelta
from typing import Any

from django.db import OperationalError, connection
from django.db.models import Q
from django.utils import timezone

from serving.models import Environment, Resolution

LENGTH = timedelta(seconds=30)
RENEWED_EVERY_SECONDS = 10.0

Rows = type[Environment] | type[Resolution]


@contextlib.contextmanager
def hold(rows: Rows, pk: int, *, of: Collection[str], to: str) -> Iterator[bool]:
    """Whether the row is ours, which it can be in the states `of` and then is in the state `to`."""
    token = secrets.token_hex(16)
    now = timezone.now()
    manager: Any = rows._default_manager
    free = manager.filter(Q(lease="") | Q(lease_until__lt=now), pk=pk, state__in=of)
    if not free.update(lease=token, lease_until=now + LENGTH, state=to, log="", failure=None):
        yield False
        return
    mine = manager.filter(pk=pk, lease=token)
    is_over = threading.Event()
    renewal = threading.Thread(target=_renew, args=(mine, is_over), daemon=True)
    renewal.start()
    try:
        yield True
    finally:
        is_over.set()
        renewal.join()
        mine.update(lease="", lease_until=timezone.now())


def _renew(mine: Any, is_over: threading.Event) -> None:
    try:
        while not is_over.wait(RENEWED_EVERY_SECONDS):
            with contextlib.suppress(OperationalError):  # a busy database; the lease lasts for another try
                mine.update(lease_until=timezone.now() + LENGTH)
    finally:
        connection.close()
