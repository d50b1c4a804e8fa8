"""Asks the worker for something by task name, once the transaction is in the database."""

import logging
from functools import partial
from typing import Any

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)


def ask_on_commit(task: str, *args: Any) -> None:
    """Enqueue `task`; an unreachable broker costs seconds, not the wish, which beat finds in the database."""
    transaction.on_commit(partial(_send, task, args))


def publish_keys_on_commit(project_id: int) -> None:
    """Have the key files of the project's replicas written anew."""
    ask_on_commit("worker.publish_keys", project_id)


def _send(task: str, args: tuple[Any, ...]) -> None:
    try:
        current_app.send_task(task, args=args)
    except (OperationalError, OSError) as error:
        log.warning("The task queue did not take %s%s: %s", task, args, error)
