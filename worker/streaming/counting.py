"""Counts of a stream, kept in its input topic's row by every process that has a part in it."""

import os
import socket
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from serving.models import Topic
from serving.texts import storable

EVERY_SECONDS = 3.0
HEARD_OF_SECONDS = 60.0
"""After which a process that says nothing has no part any more."""
AGAIN_SECONDS = 30.0
LONGEST_PROBLEM = 500


@dataclass
class Counts:
    """What has been counted here and is not in the row yet, and what it was last told."""

    answered: int = 0
    failed: int = 0
    dead: int = 0
    problem: str = ""
    _told: tuple[int | None, str] = (-1, "")
    _told_at: float = field(default=0.0)

    def is_due(self) -> bool:
        return time.monotonic() - self._told_at >= EVERY_SECONDS

    def tell(self, topic: str, lag: int | None) -> None:
        """Bring the row up to date; now and then also where nothing changed, to have a part. A `lag` of None is not
        known yet.
        """
        news = {"answered": self.answered, "failed": self.failed, "dead": self.dead}
        now = time.monotonic()
        if any(news.values()) or self._told != (lag, self.problem) or now - self._told_at > AGAIN_SECONDS:
            self._write(topic, news, lag)
            self.answered -= news["answered"]
            self.failed -= news["failed"]
            self.dead -= news["dead"]
            self._told = (lag, self.problem)
        self._told_at = now

    def _write(self, topic: str, news: Mapping[str, int], lag: int | None) -> None:
        with transaction.atomic():
            row = Topic.objects.select_for_update().filter(name=topic).first()
            if row is not None:
                lags = {} if lag is None else {_who(): lag}
                consumed = merged(row.consumed, news, lags, self.problem, time.time())
                Topic.objects.filter(pk=row.pk).update(consumed=consumed)


def merged(
    consumed: Mapping[str, Any], news: Mapping[str, int], lags: Mapping[str, int], problem: str, now: float
) -> dict[str, Any]:
    """The row's counts with what is new. `lag` is the sum of what is left of each process's partitions, as heard of
    lately; as it was where nobody has said anything lately.
    """
    heard = {who: said for who, said in consumed.get("lags", {}).items() if now - said[1] < HEARD_OF_SECONDS}
    heard |= {who: [lag, round(now)] for who, lag in lags.items()}
    counts = Counter({name: consumed.get(name, 0) for name in news})
    counts.update(news)
    since = consumed.get("since") or datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
    return {
        **consumed,
        **counts,
        "lag": sum(lag for lag, _ in heard.values()) if heard else consumed.get("lag", 0),
        "lags": heard,
        "since": since,
        "problem": storable(problem[:LONGEST_PROBLEM]),
    }


def _who() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
