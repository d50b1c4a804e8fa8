"""Asks for work on a row, and once more by itself where a failure may pass."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.work import ask_on_commit
from serving.models import Environment, Image, Resolution
from worker.environments import problems

PAUSE_AFTER_FAILURE = timedelta(seconds=30)

Row = Environment | Image | Resolution


def ask(row: Row, task: str) -> None:
    """Enqueue the work unless somebody is at it; asking twice is harmless."""
    if not row.lease or row.lease_until < timezone.now():
        ask_on_commit(task, row.pk)


def after_failure(row: Row, task: str) -> tuple[str, Mapping[str, str] | None]:
    """The reason, and the failure itself if it is final; after a pause one that may pass is tried again."""
    failure = row.failure or {"code": "WorkerFailed", "reason": "It failed without a word.", "evidence": ""}
    if not problems.passes(failure):
        return failure["reason"], failure
    if timezone.now() - row.lease_until > PAUSE_AFTER_FAILURE:
        rows: Any = type(row)._default_manager
        rows.filter(pk=row.pk, state=row.state).update(state="waiting")
        ask_on_commit(task, row.pk)
    return failure["reason"], None
