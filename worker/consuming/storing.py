"""Writes a batch into the database in one transaction, each record once; one that it refuses stops no other."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from django.db import DatabaseError, DataError, IntegrityError, OperationalError, transaction

from serving.models import DeadLetter
from worker.consuming import counting, partitions, rows
from worker.consuming.batch import Batch, Entry, dead_letter

log = logging.getLogger(__name__)

MOST_DEAD_LETTERS = 1000  # kept of a topic
REFUSED = (DataError, IntegrityError, ValueError, OverflowError, TypeError)
BEYOND_LIMITS = "54"  # PostgreSQL's class of errors about a row or a value that is too large


def store(batch: Batch, *, finish: Callable[[], None]) -> int:
    """Keep the batch and call `finish` in the same transaction; return how many records are new.

    Raises DatabaseError if the database cannot be used now: the batch may then be stored again.
    """
    partitions.ensure({entry.row.requested_at.date() for entry in batch.entries})
    try:
        return _store(batch, finish)
    except (DatabaseError, *REFUSED) as error:
        if not is_refusal(error):
            raise
    refused = [letter for entry in batch.entries if (letter := _refused(entry)) is not None]
    rest = Batch(dead=[*batch.dead, *refused], forgotten=batch.forgotten)
    _store(rest, finish)
    return len(batch.entries) - len(refused)


def is_refusal(error: Exception) -> bool:
    """Whether a value is wrong, as against a database that is away, locked, full or being changed."""
    state = str(getattr(error.__cause__, "sqlstate", None) or "")
    is_beyond = isinstance(error, OperationalError) and state.startswith(BEYOND_LIMITS)
    return isinstance(error, REFUSED) or is_beyond


def _store(batch: Batch, finish: Callable[[], None]) -> int:
    with transaction.atomic():
        new = rows.insert([entry.row for entry in batch.entries])
        _keep(batch.dead)
        counting.add(_counts(batch, new))
        finish()
    return sum(new.values())


def _refused(entry: Entry) -> DeadLetter | None:
    """The letter of a record that cannot be stored, even alone."""
    try:
        _store(Batch(entries=[entry]), lambda: None)
    except (DatabaseError, *REFUSED) as error:
        if not is_refusal(error):
            raise
        log.warning("An inference record of %s cannot be stored: %s", entry.topic, error)
        return dead_letter(entry.topic, entry.message, f"The database refuses this record: {error}")
    return None


def _counts(batch: Batch, new: Mapping[str, int]) -> Mapping[str, counting.Count]:
    skipped = Counter(batch.forgotten)
    skipped.update(letter.topic.name for letter in batch.dead)
    return {name: counting.Count(new.get(name, 0), skipped[name]) for name in {*new, *skipped}}


def _keep(letters: Sequence[DeadLetter]) -> None:
    """The newest of each topic."""
    by_topic: dict[int, list[DeadLetter]] = {}
    for letter in letters:
        by_topic.setdefault(letter.topic_id, []).append(letter)
    for topic, found in by_topic.items():
        DeadLetter.objects.bulk_create(found[-MOST_DEAD_LETTERS:], batch_size=100, ignore_conflicts=True)
        kept = DeadLetter.objects.filter(topic=topic).order_by("-id").values_list("pk", flat=True)
        if beyond := kept[MOST_DEAD_LETTERS : MOST_DEAD_LETTERS + 1].first():
            DeadLetter.objects.filter(topic=topic, pk__lte=beyond).delete()
