"""Celery's tasks for images: ids in, one call, harmless when late or doubled."""

from celery import shared_task
from django.conf import settings

from serving.models import Deployer
from worker.environments.tasks import PAUSE_SECONDS, place
from worker.images import collect, rows


@shared_task(name="worker.build_image")
def build_image(image_id: int) -> None:
    """Build it if there is a place; the next step of a serving that needs it asks again."""
    with place() as is_free:
        if is_free:
            rows.build_row(image_id)


@shared_task(name="worker.rebuild_image")
def rebuild_image(image_id: int) -> None:
    with place() as is_free:
        if is_free:
            rows.build_row(image_id, anew=True)
    if not is_free:
        rebuild_image.apply_async((image_id,), countdown=PAUSE_SECONDS)


@shared_task(name="worker.collect_images")
def collect_images() -> None:
    """Remove what nobody uses, where containers are used at all."""
    if settings.DEPLOYERS == [Deployer.LOCAL]:
        return
    with place() as is_free:
        if is_free:
            collect.collect()
