"""Celery's tasks for replays: ids in, one call, harmless when late or doubled."""

from celery import shared_task

from serving.models import Replay
from worker import tasks
from worker.replaying import stepping


@shared_task(name="worker.replay")
def make_replay(replay_id: int, chain: str = "", tries: int = 0) -> None:
    """Bring a replay closer to its end."""
    tasks.go_on(make_replay, Replay, stepping.step, tasks.Link(replay_id, chain, tries))


@shared_task(name="worker.go_on_with_replays")
def go_on_with_replays() -> None:
    """Take up what a worker that died had begun."""
    for replay_id in stepping.unfinished().values_list("pk", flat=True):
        make_replay.delay(replay_id)
    stepping.forget_old()
