"""The Celery application; the beat schedule is the whole of self-healing."""

from celery import Celery

app = Celery("hopyard")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["worker"])
app.conf.beat_schedule = {
    "reconcile everything": {"task": "worker.reconcile_all", "schedule": 15.0},
    "publish the keys": {"task": "worker.publish_all_keys", "schedule": 60.0},
    "sweep": {"task": "worker.sweep", "schedule": 3600.0},
}
