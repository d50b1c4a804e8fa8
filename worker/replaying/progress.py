"""What a replay's row says of how far it is; nothing is written over the word of somebody who ended it."""

from django.utils import timezone

from serving.models import Replay
from serving.replays import summary
from worker.failures import Failure

State = Replay.State


def say(replay: Replay, sentence: str) -> None:
    if replay.step != sentence:
        replay.step = sentence
        Replay.objects.filter(pk=replay.pk).update(step=sentence[:300])
    replay.refresh_from_db(fields=["state"])


def count(replay: Replay) -> None:
    asked = replay.calls.exclude(new_status=0)
    replay.asked, replay.differing = asked.count(), asked.filter(differs=True).count()
    Replay.objects.filter(pk=replay.pk).update(asked=replay.asked, differing=replay.differing)
    if replay.asked == replay.total:
        sum_up(replay)


def sum_up(replay: Replay) -> None:
    asked = replay.calls.exclude(new_status=0)
    rows = asked.values_list("duration_us", "new_duration_us", "differs", "new_status", "largest_change")
    replay.summary = summary.of([summary.Pair(*row) for row in rows])
    _finish(replay, State.DONE)


def fail(replay: Replay, failure: Failure) -> None:
    said = failure.as_json()
    replay.failure = {name: said[name] for name in ("code", "reason", "evidence")}
    _finish(replay, State.FAILED)


def _finish(replay: Replay, state: Replay.State) -> None:
    """Write the end, unless somebody ended it meanwhile."""
    ended = Replay.objects.filter(pk=replay.pk).exclude(state__in=[State.DONE, State.FAILED])
    ended.update(
        state=state, step="", failure=replay.failure, summary=replay.summary, finished_at=timezone.now()
    )
    replay.refresh_from_db(fields=["state", "failure", "summary", "finished_at", "step"])
