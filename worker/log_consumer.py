"""Reads the topics' files and stores their inference records in the database, in batches.

A file's position is saved in the same transaction as the records before it, and a call is stored once, so that a
consumer that dies anywhere goes on without a loss or a double.
"""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, transaction

from serving.models import InferenceRecord, Serving, TopicOffset

log = logging.getLogger(__name__)

BATCH_BYTES = 4 * 1024 * 1024


def consume_once() -> int:
    """Store what came since the last time; return how many lines were read."""
    return sum(_consume_file(path) for path in sorted(Path(settings.TOPIC_DIR).glob("*/*/*.jsonl")))


def _consume_file(path: Path) -> int:
    offset, _ = TopicOffset.objects.get_or_create(path=str(path))
    if path.stat().st_size <= offset.position:
        return 0
    with path.open("rb") as file:
        file.seek(offset.position)
        chunk = file.read(BATCH_BYTES)
    whole = chunk[: chunk.rfind(b"\n") + 1]
    if not whole:
        if len(chunk) == BATCH_BYTES:  # no line is as long as this: skip the rubbish
            TopicOffset.objects.filter(pk=offset.pk).update(position=offset.position + len(chunk))
        return 0
    lines = whole.splitlines()
    with transaction.atomic():
        records = list(_records(path.parts[-3], lines))
        _store(records)
        TopicOffset.objects.filter(pk=offset.pk).update(position=offset.position + len(whole))
    return len(lines)


def _store(records: list[InferenceRecord]) -> None:
    """All at once, or one by one if the database refuses a value, so that one record never stops the others."""
    try:
        with transaction.atomic():
            InferenceRecord.objects.bulk_create(records, batch_size=500, ignore_conflicts=True)
    except (DatabaseError, ValueError, OverflowError):
        for record in records:
            try:
                with transaction.atomic():
                    InferenceRecord.objects.bulk_create([record], ignore_conflicts=True)
            except (DatabaseError, ValueError, OverflowError) as error:
                log.warning("The inference record %s cannot be stored: %s", record.request_id[:64], error)


def _records(project: str, lines: list[bytes]) -> Iterator[InferenceRecord]:
    servings = {
        name.lower(): pk
        for name, pk in Serving.objects.filter(project__name=project, is_deleted=False).values_list(
            "name", "pk"
        )
    }
    for line in lines:
        try:
            said = json.loads(line)
            serving_id = servings.get(str(said["serving"]).lower())
            if serving_id is not None:
                yield _record(serving_id, said)
        except (
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            OverflowError,
            OSError,
            RecursionError,
        ) as error:
            log.warning("A line of a topic of %s is not an inference record: %s", project, error)


def _record(serving_id: int, said: dict[str, Any]) -> InferenceRecord:
    return InferenceRecord(
        serving_id=serving_id,
        request_id=_text(str(said["request_id"])[:128]),
        revision=int(said["revision"]),
        replica=_text(str(said["replica"])[:60]),
        verb=_text(str(said["verb"])[:100]),
        status=int(said["status"]),
        requested_at=datetime.fromtimestamp(said["requested_at"] / 1000, UTC),
        duration_us=int(said["duration_us"]),
        inputs=_text(said.get("inputs")),
        outputs=_text(said.get("outputs")),
        error=_text(str(said.get("error") or "")),
        key_id=_text(str(said.get("key_id") or "")[:12]),
    )


def _text(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return text.encode(errors="replace").decode().replace("\0", "\ufffd")
