"""The Celery application; the beat schedule is the whole of self-healing."""

from celery import Celery

app = Celery("hopyard")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(
    ["worker", "worker.environments", "worker.images", "worker.replaying", "worker.scanning"]
)
app.conf.beat_schedule = {
    "reconcile everything": {"task": "worker.reconcile_all", "schedule": 15.0},
    "make topics": {"task": "worker.make_topics", "schedule": 15.0},
    "trim topics": {"task": "worker.trim_topics", "schedule": 60.0},
    "publish the keys": {"task": "worker.publish_all_keys", "schedule": 60.0},
    "scan what was missed": {"task": "worker.scan_missing", "schedule": 60.0},
    "follow aliases": {"task": "worker.follow_aliases", "schedule": 60.0},
    "sweep": {"task": "worker.sweep", "schedule": 3600.0},
    "collect environments": {"task": "worker.collect_environments", "schedule": 3600.0},
    "collect images": {"task": "worker.collect_images", "schedule": 3600.0},
    "go on with replays": {"task": "worker.go_on_with_replays", "schedule": 60.0},
    "report interpreters": {"task": "worker.report_interpreters", "schedule": 3600.0},
}
