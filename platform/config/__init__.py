"""The Django project: settings, URLs, API defaults."""

from worker.celery import app as celery_app

__all__ = ["celery_app"]
