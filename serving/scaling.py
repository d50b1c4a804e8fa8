"""Changes how many replicas run, and how an update goes about it; no revision comes of either."""

from django.conf import settings as platform
from django.db import transaction

from accounts.access import Access
from serving import queries, settings, wishes, work
from serving.errors import ServingError
from serving.models import Serving

LONGEST_PACE_SECONDS = 3600


@transaction.atomic
def scale(*, access: Access, serving: Serving, replicas: int) -> Serving:
    """Want so many replicas of the predictor from now on; at rest it is kept for the next start.

    The number stays until another one is asked for, be it here or by a new revision.
    """
    serving = wishes.locked(serving)
    before = settings.of(serving).replicas
    _check("Replicas", replicas, 1, platform.MAX_REPLICAS, field="replicas")
    if replicas != before:
        is_proven = serving.good_revision == serving.current.number
        attempts = wishes.NEW_ATTEMPTS if is_proven else {}
        wanted = replicas if serving.wanted_replicas else 0
        wishes.write(serving, scale=replicas, wanted_replicas=wanted, **attempts)
        wishes.tell(access, serving, "scaled", f"Scaled from {before} to {replicas}")
        work.reconcile_on_commit(serving)
    return queries.serving(access.project, serving.name)


@transaction.atomic
def set_pace(*, access: Access, serving: Serving, surge: int, pace_seconds: int) -> Serving:
    """Set how many replicas an update may run beyond what is wanted (0: a whole second set), and how many seconds
    a new one has to stay ready before an old one leaves.
    """
    serving = wishes.locked(serving)
    _check("The surge", surge, 0, platform.MAX_REPLICAS, field="surge")
    _check("The pace in seconds", pace_seconds, 0, LONGEST_PACE_SECONDS, field="pace_seconds")
    if (surge, pace_seconds) != (serving.surge, serving.pace_seconds):
        wishes.write(serving, surge=surge, pace_seconds=pace_seconds)
        wishes.tell(access, serving, "edited", _pace(surge, pace_seconds))
        work.reconcile_on_commit(serving)
    return queries.serving(access.project, serving.name)


def _check(what: str, value: int, least: int, most: int, *, field: str) -> None:
    if not least <= value <= most:
        raise ServingError(f"{what} must be between {least} and {most} here, not {value}.", field=field)


def _pace(surge: int, pace_seconds: int) -> str:
    more = "a whole second set" if surge == 0 else f"at most {surge} more"
    waits = f", {pace_seconds} s after each that is ready" if pace_seconds else ""
    return f"Updates run {more}{waits}"
