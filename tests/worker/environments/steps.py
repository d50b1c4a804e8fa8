"""What the worker does for the packages of a serving, taken step by step."""

from collections.abc import Callable

from serving.models import Environment, Serving
from worker.environments import prepare, rows, tasks
from worker.environments.prepare import Preparation

Create = Callable[..., Serving]


def work_on(serving: Serving) -> None:
    """Do what is waiting for this serving."""
    revision = serving.current
    revision.refresh_from_db()
    if revision.environment_id is None:
        rows.resolve_row(revision.resolution_id)
        revision.refresh_from_db()
    if revision.environment_id is not None:
        tasks.build_environment(revision.environment_id)


def made(serving: Serving) -> Preparation:
    work_on(serving)
    return prepare.ready(serving.current)


def environment_of(serving: Serving) -> Environment:
    serving.current.refresh_from_db()
    assert serving.current.environment is not None
    return serving.current.environment
