"""Celery's tasks for environments: ids in, one call, harmless when late or doubled."""

import contextlib
import threading
from collections.abc import Iterator

from celery import shared_task

from serving.environments import images
from serving.models import Environment
from worker.environments import collect, report, rows

AT_ONCE = 3
PAUSE_SECONDS = 2.0
places = threading.BoundedSemaphore(AT_ONCE)  # the worker's other threads are for the servings


@shared_task(name="worker.resolve")
def resolve(resolution_id: int) -> None:
    """Resolve if there is a place, then build at once, so that nobody waits for the next look at the serving; what
    only containers need, the serving's next look asks for.
    """
    with place() as is_free:
        environment = rows.resolve_row(resolution_id) if is_free else None
    if environment is None or environment.state == Environment.State.READY:
        return
    if not images.are_enough(environment):
        build_environment.delay(environment.pk)


@shared_task(name="worker.build_environment")
def build_environment(environment_id: int) -> None:
    """Build it if there is a place; the next step of a serving that needs it asks again."""
    with place() as is_free:
        if is_free:
            rows.build_row(environment_id)


@shared_task(name="worker.rebuild_environment")
def rebuild_environment(environment_id: int) -> None:
    with place() as is_free:
        if is_free:
            rows.build_row(environment_id, anew=True)
    if not is_free:
        rebuild_environment.apply_async((environment_id,), countdown=PAUSE_SECONDS)


@shared_task(name="worker.verify_environment")
def verify_environment(environment_id: int) -> None:
    with place() as is_free:
        is_corrupt = is_free and rows.verify_row(environment_id) is not None
    if not is_free:
        verify_environment.apply_async((environment_id,), countdown=PAUSE_SECONDS)
    if is_corrupt:
        rebuild_environment.delay(environment_id)


@shared_task(name="worker.collect_environments")
def collect_environments() -> None:
    """Remove what nobody uses, and look from time to time whether the rest is what was built."""
    with place() as is_free:
        if is_free:
            collect.collect()
    for environment_id in collect.due_for_verification():
        verify_environment.delay(environment_id)


@shared_task(name="worker.report_interpreters")
def report_interpreters() -> None:
    report.report()


@contextlib.contextmanager
def place() -> Iterator[bool]:
    """Whether there is room for one more long piece of work."""
    is_free = places.acquire(blocking=False)
    try:
        yield is_free
    finally:
        if is_free:
            places.release()
