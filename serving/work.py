"""Asks the worker, by task name, to bring a serving closer to its wish."""

from accounts.work import ask_on_commit
from serving.models import Serving


def reconcile_on_commit(serving: Serving) -> None:
    ask_on_commit("worker.reconcile", serving.pk)
