"""The right to resolve, build or remove what a row stands for, and the state it is in meanwhile."""

from collections.abc import Collection
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

from django.db.models import Q

from serving.models import Environment, Image, Resolution
from worker import lease

LENGTH = timedelta(seconds=30)

Rows = type[Environment] | type[Resolution] | type[Image]


def hold(rows: Rows, pk: int, *, of: Collection[str], to: str) -> AbstractContextManager[bool]:
    """Whether the row is ours, which it can be in the states `of` and then is in the state `to`."""
    manager: Any = rows._default_manager
    return lease.take(manager.filter(pk=pk), LENGTH, among=Q(state__in=of), state=to, log="", failure=None)
