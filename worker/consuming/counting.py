"""How many records of a topic were stored and skipped, and how many messages wait: `Topic.consumed`."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from serving.models import Topic

FRESH_SECONDS = 60  # a reader that has said nothing for longer counts no more


@dataclass(frozen=True)
class Count:
    stored: int
    skipped: int


def add(counts: Mapping[str, Count]) -> None:
    """Add to what was counted so far, within the transaction that stores them."""
    for topic in _locked(counts):
        count, so_far = counts[topic.name], topic.consumed
        topic.consumed = so_far | {
            "stored": so_far.get("stored", 0) + count.stored,
            "skipped": so_far.get("skipped", 0) + count.skipped,
            "lag": so_far.get("lag", 0),
        }
        topic.save(update_fields=["consumed"])


def set_lag(lags: Mapping[str, int], *, reader: str) -> None:
    """Note what waits for this reader; that of the others of its group is added, which have other partitions."""
    with transaction.atomic():
        for topic in _locked(lags):
            readers = _with(topic.consumed.get("readers", {}), reader, lags[topic.name])
            lag = sum(each["lag"] for each in readers.values())
            wanted = {"stored": 0, "skipped": 0} | topic.consumed | {"lag": lag, "readers": readers}
            if _said(wanted) != _said(topic.consumed):
                topic.consumed = wanted
                topic.save(update_fields=["consumed"])


def _locked(names: Mapping[str, object]) -> list[Topic]:
    """In one order, so that two consumers never wait for each other."""
    return list(Topic.objects.select_for_update().filter(name__in=names).order_by("name")) if names else []


def _with(readers: Mapping[str, Any], reader: str, lag: int) -> dict[str, Any]:
    now = int(time.time())
    others = {
        name: said for name, said in readers.items() if name != reader and said["at"] > now - FRESH_SECONDS
    }
    return others | ({reader: {"lag": lag, "at": now}} if lag else {})


def _said(consumed: Mapping[str, Any]) -> dict[str, Any]:
    """What is worth a write: everything but when it was said."""
    return {name: value for name, value in consumed.items() if name != "readers"}
