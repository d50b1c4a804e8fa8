"""Copies the calls that a replay asks again, so that they stay as they are while they are asked."""

from collections import Counter

from django.db import transaction
from django.utils import timezone

from serving import queries
from serving.models import InferenceRecord, Replay, ReplayedCall
from serving.records import filters
from serving.replays import choosing


@transaction.atomic
def choose(replay: Replay) -> None:
    """Take the newest of the selection, in the order in which they came, and count those that cannot be asked."""
    found = filters.apply(queries.inference_records(replay.serving), filters.parse(replay.selection))
    redacting = _redacting_revisions(replay)
    calls, skipped = [], Counter[str]()
    for record in found.order_by("-requested_at", "-pk")[: replay.most]:
        if reason := choosing.reason_against(record, is_redacted=record.revision in redacting):
            skipped[reason] += 1
        else:
            calls.append(_call(replay, record))
    ReplayedCall.objects.bulk_create(reversed(calls), batch_size=200)
    replay.total, replay.skipped = len(calls), dict(skipped)
    replay.started_at, replay.state = timezone.now(), Replay.State.RUNNING
    replay.save(update_fields=["total", "skipped", "started_at", "state"])


def _redacting_revisions(replay: Replay) -> set[int]:
    """The numbers of the revisions whose records do not hold the inputs as they were."""
    rules = replay.serving.revisions.exclude(redaction=[]).values_list("number", "redaction")
    return {number for number, found in rules if any(rule.get("in") != "outputs" for rule in found)}


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
