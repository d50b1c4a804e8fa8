"""Copies the calls that a replay asks again, so that they stay as they are while they are asked."""

from collections import Counter
from collections.abc import Callable, Iterator

from django.db.models import QuerySet
from django.utils import timezone

from serving.models import InferenceRecord, Replay, ReplayedCall
from serving.records import filters, queries
from serving.replays import choosing

PER_PAGE = 200
SECONDS_A_PAGE = 5.0
MEGABYTE = 1024 * 1024
MOST_MB = 256  # of what was asked and answered
BEYOND_SIZE = f"there are more than {MOST_MB} MB of newer calls"


def choose(replay: Replay) -> bool:
    """Take the newest of the selection, and count those that cannot be asked; False if it was ended meanwhile.

    Raises ServingError for filters that are none any more, and a search that takes too long.
    """
    replay.calls.all().delete()  # of a worker that died at this
    skipped, left = Counter[str](), MOST_MB * MEGABYTE
    is_redacted = _redacted_by(replay)
    for records in _pages(replay):
        calls = []
        for record in records:
            reason = choosing.reason_against(record, is_redacted=is_redacted(record.revision))
            if not reason:
                left -= _size(record)
                reason = BEYOND_SIZE if left < 0 else ""
            if reason:
                skipped[reason] += 1
            else:
                calls.append(_call(replay, record))
        ReplayedCall.objects.bulk_create(calls)
    return _begin(replay, skipped)


def _pages(replay: Replay) -> Iterator[list[InferenceRecord]]:
    """The newest of the selection, until there are enough or the replay is ended."""
    asked = filters.parse(replay.selection)
    after, left = None, replay.most
    while left and _waiting(replay).exists():
        found = queries.page(
            replay.serving, asked, after=after, size=min(left, PER_PAGE), seconds=SECONDS_A_PAGE
        )
        yield found.records
        if found.next is None:
            return
        after, left = found.next, left - len(found.records)


def _begin(replay: Replay, skipped: Counter[str]) -> bool:
    """Have it run, unless somebody ended it."""
    facts = {"total": replay.calls.count(), "skipped": dict(skipped), "started_at": timezone.now()}
    is_begun = _waiting(replay).update(**facts, state=Replay.State.RUNNING)
    if not is_begun:
        replay.calls.all().delete()
    replay.refresh_from_db(fields=["state", "failure", "finished_at", *facts])
    return bool(is_begun)


def _waiting(replay: Replay) -> "QuerySet[Replay]":
    return Replay.objects.filter(pk=replay.pk, state=Replay.State.WAITING)


def _redacted_by(replay: Replay) -> Callable[[int], bool]:
    """Whether a revision's records do not hold the inputs as they were. Of records that do not name theirs, any may be
    the one.
    """
    rules = dict(replay.serving.revisions.values_list("number", "redaction"))
    hiding = {number for number, of in rules.items() if any(rule.get("in") != "outputs" for rule in of)}
    return lambda number: number in hiding or (bool(hiding) and number not in rules)


def _size(record: InferenceRecord) -> int:
    return len(record.inputs.encode()) + len(record.outputs.encode())


def _call(replay: Replay, record: InferenceRecord) -> ReplayedCall:
    return ReplayedCall(
        replay=replay,
        request_id=record.request_id,
        requested_at=record.requested_at,
        revision=record.revision,
        protocol=record.protocol,
        verb=record.verb,
        inputs=record.inputs,
        status=record.status,
        outputs=record.outputs,
        duration_us=record.duration_us,
        new_status=0,
        new_duration_us=0,
        differs=False,
    )
