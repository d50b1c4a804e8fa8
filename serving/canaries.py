"""A canary: a new revision beside the current one, with a part of the requests, until it is promoted or withdrawn.

One at a time; the current revision does not change while it runs. A canary that was given up, or whose replicas are
gone, gets no requests (`traffic.routes`), and nothing of the current revision changes.
"""

from typing import Any

from django.db import transaction

from accounts.access import Access
from serving import queries, services, settings, wishes, work
from serving.drafting import streaming
from serving.errors import NoCanary, ServingError
from serving.models import Revision, Serving


@transaction.atomic
def begin(
    *,
    access: Access,
    serving: Serving,
    changes: dict[str, Any],
    percent: int,
    expected_revision: int | None = None,
) -> Serving:
    """Make a revision of these changes and give it `percent` of the requests once it is ready.

    It is prepared and checked as every revision, and runs the number of replicas that it says itself.
    """
    serving = wishes.locked(serving)
    wishes.check_no_canary(serving)
    services.check_expected(serving, expected_revision)
    _check(percent)
    if "description" in changes:
        raise ServingError(
            "A canary changes what runs; the description is changed by an edit.", field="description"
        )
    wanted = services.with_changes(serving, changes)
    revision = services.edited(access.project, serving, wanted, changes.keys())
    if not settings.differ_in_more_than_number(serving.current, revision):
        raise ServingError(
            f"A canary needs something that revision {serving.current.number} has not; change a setting."
        )
    wishes.save(access, serving, revision)
    wishes.write(serving, canary=revision, canary_percent=percent, canary_failure=None)
    said = f"Revision {revision.number} gets {percent} % of the requests: {services.changed(serving.current, revision)}"
    wishes.tell(access, serving, "canary", said)
    work.reconcile_on_commit(serving)
    return queries.serving(access.project, serving.name)


@transaction.atomic
def set_percent(*, access: Access, serving: Serving, percent: int) -> Serving:
    """Give the canary another part of the requests; no replica starts or ends for it."""
    serving = wishes.locked(serving)
    canary = _canary(serving)
    _check(percent)
    if percent != serving.canary_percent:
        said = (
            f"Revision {canary.number} gets {percent} % of the requests instead of {serving.canary_percent} %"
        )
        wishes.write(serving, canary_percent=percent)
        wishes.tell(access, serving, "canary", said)
        work.reconcile_on_commit(serving)
    return queries.serving(access.project, serving.name)


@transaction.atomic
def promote(*, access: Access, serving: Serving) -> Serving:
    """Make the canary the current revision: its replicas stay, and the old ones leave once it is there in full.

    It then runs as many replicas as the serving did, or its own number if that is more.
    """
    serving = wishes.locked(serving)
    canary = _canary(serving)
    if serving.canary_failure is not None:
        raise ServingError(
            f"The canary, revision {canary.number}, has failed: {serving.canary_failure['reason']} "
            "Withdraw it, or stop and start the serving to try it again."
        )
    streaming.check_again(serving, canary)
    now = settings.of(serving).replicas
    wishes.want(serving, canary, scale=now if now > canary.replicas else None, **_NO_CANARY)
    wishes.tell(
        access, serving, "promoted", f"Revision {canary.number} is no canary any more; all requests go to it"
    )
    work.reconcile_on_commit(serving)
    return queries.serving(access.project, serving.name)


@transaction.atomic
def withdraw(*, access: Access, serving: Serving) -> Serving:
    """Give all requests to the current revision, and end the canary's replicas when they have finished."""
    serving = wishes.locked(serving)
    canary = _canary(serving)
    wishes.write(serving, **_NO_CANARY)
    wishes.tell(
        access, serving, "withdrew", f"Revision {canary.number} is no canary any more; its replicas end"
    )
    work.reconcile_on_commit(serving)
    return queries.serving(access.project, serving.name)


_NO_CANARY: dict[str, Any] = {"canary": None, "canary_percent": 0, "canary_failure": None}


def _canary(serving: Serving) -> Revision:
    if serving.canary is None:
        raise NoCanary(
            f"{serving} has no canary; begin one with a percentage and the settings that are to change."
        )
    return serving.canary


def _check(percent: int) -> None:
    if not 0 <= percent <= 100:
        raise ServingError(
            f"A canary gets between 0 and 100 % of the requests, not {percent}.", field="percent"
        )
