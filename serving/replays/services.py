"""Asks for replays and ends them; the worker makes them."""

from collections.abc import Mapping

from django.db import transaction
from django.utils import timezone

from accounts.access import Access
from accounts.services import record
from accounts.work import ask_on_commit
from serving import queries, wishes
from serving.errors import ServingError
from serving.models import Replay, Serving
from serving.records import filters
from serving.records import queries as records

MOST_CALLS = 5_000
LOOK_SECONDS = 2.0
DEFAULT_CALLS = 200
DEFAULT_TOLERANCE = 1e-6


class ReplayRunning(ServingError):
    code = "replay_running"
    status = 409


def ask(
    *,
    access: Access,
    serving: Serving,
    revision: int,
    selection: Mapping[str, str],
    most: int = DEFAULT_CALLS,
    tolerance: float = DEFAULT_TOLERANCE,
) -> Replay:
    """Have the newest `most` of the selected calls asked again of a revision. Raises ServingError."""
    queries.revision(serving, revision)
    _check(most, tolerance)
    words = _selected(serving, selection)
    wanted = Replay(
        serving=serving,
        revision=revision,
        selection=words,
        most=most,
        tolerance=tolerance,
        created_by=access.user,
    )
    return _begun(access, wanted)


def _selected(serving: Serving, selection: Mapping[str, str]) -> dict[str, str]:
    """The filters as they are kept: those that the worker will read, of some call that is there, as far as one sees."""
    meant = filters.parse(selection).at(timezone.now())
    filters.parse(meant.words)  # quoted they may be longer than is taken
    found = records.page(serving, meant, after=None, size=1, seconds=LOOK_SECONDS)
    if not found.records and found.next is None:
        raise ServingError("No recorded call matches; choose others, or a longer time.", field="selection")
    return meant.words


@transaction.atomic
def _begun(access: Access, replay: Replay) -> Replay:
    """The only one of its serving."""
    serving = wishes.locked(replay.serving)
    unfinished = (Replay.State.WAITING, Replay.State.RUNNING)
    if other := serving.replays.filter(state__in=unfinished).first():
        raise ReplayRunning(
            f"Replay {other.pk} of {serving} is still running; wait until it is done, or end it."
        )
    replay.save()
    record(
        project=access.project,
        actor=access.user.username,
        action="replay_calls",
        target=serving.name,
        after={"replay": replay.pk, "revision": replay.revision},
    )
    ask_on_commit("worker.replay", replay.pk)
    return replay


@transaction.atomic
def end(*, access: Access, replay: Replay) -> Replay:
    """End one that runs; what was asked until now stays. One that has ended stays as it is."""
    replay = Replay.objects.select_for_update().get(pk=replay.pk)
    if not replay.is_finished:
        said = f"{access.user.username} ended it."
        replay.state = Replay.State.FAILED
        replay.failure = {"code": "Ended", "reason": said, "evidence": ""}
        replay.finished_at = timezone.now()
        replay.save(update_fields=["state", "failure", "finished_at"])
        ask_on_commit("worker.replay", replay.pk)
    return replay


def _check(most: int, tolerance: float) -> None:
    if not 1 <= most <= MOST_CALLS:
        raise ServingError(
            f"Between 1 and {MOST_CALLS:,} calls can be asked again, not {most}.", field="most"
        )
    if not 0 <= tolerance <= 1:
        raise ServingError(
            f"The tolerance is a number between 0 and 1, not {tolerance:g}.", field="tolerance"
        )
