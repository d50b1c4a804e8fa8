"""The right to take a step for a serving: short, renewed while the step lasts, and free again if its holder dies."""

import contextlib
import secrets
import threading
from collections.abc import Iterator
from datetime import timedelta

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from serving.models import Serving

LENGTH = timedelta(seconds=15)
RENEWED_EVERY_SECONDS = 5.0


@contextlib.contextmanager
def hold(serving_id: int) -> Iterator[bool]:
    """Whether the lease is ours; if so it stays ours until the block ends."""
    token = secrets.token_hex(16)
    free = Serving.objects.filter(Q(lease="") | Q(lease_until__lt=timezone.now()), pk=serving_id)
    if not free.update(lease=token, lease_until=timezone.now() + LENGTH):
        yield False
        return
    is_over = threading.Event()
    renewal = threading.Thread(target=_renew, args=(serving_id, token, is_over), daemon=True)
    renewal.start()
    try:
        yield True
    finally:
        is_over.set()
        renewal.join()
        Serving.objects.filter(pk=serving_id, lease=token).update(lease="")


def _renew(serving_id: int, token: str, is_over: threading.Event) -> None:
    try:
        while not is_over.wait(RENEWED_EVERY_SECONDS):
            until = timezone.now() + LENGTH
            Serving.objects.filter(pk=serving_id, lease=token).update(lease_until=until)
    finally:
        connection.close()
