"""The days into which PostgreSQL's table of inference records is divided: made ahead, and dropped whole.

A record of a day without a partition goes into the default one, so that none is ever lost. Every change of a
partition waits for the table a short time only, and is tried again later: who waits longer makes others wait.
"""

import logging
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from django.conf import settings
from django.db import OperationalError, ProgrammingError, connection, transaction

from serving.models import InferenceRecord

log = logging.getLogger(__name__)

TABLE = InferenceRecord._meta.db_table
DEFAULT = f"{TABLE}_default"
AHEAD_DAYS = 7
PATIENCE = "2s"
KNOWN: set[date] = set()
OF_A_DAY = re.compile(rf"{TABLE}_(\d{{8}})")


def are_used() -> bool:
    return connection.vendor == "postgresql"


def days() -> set[date]:
    """Those that have a partition."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", [TABLE]
        )
        found = [OF_A_DAY.fullmatch(name) for (name,) in cursor.fetchall()]
    return {datetime.strptime(each[1], "%Y%m%d").replace(tzinfo=UTC).date() for each in found if each}


def ensure(wanted: Iterable[date]) -> None:
    """Make the partitions of these days, as far as they are near enough to be kept for long."""
    today = datetime.now(UTC).date()
    oldest = today - timedelta(days=settings.INFERENCE_RECORDS_DAYS or AHEAD_DAYS)
    newest = today + timedelta(days=AHEAD_DAYS)
    missing = {day for day in wanted if oldest <= day <= newest} - KNOWN
    if missing and are_used():
        KNOWN.clear()
        KNOWN.update(days())
        for day in sorted(missing - KNOWN):
            if _changed(f"make the partition of {day}", _making(day)):
                KNOWN.add(day)


def ahead() -> list[date]:
    """The days that should have a partition before their first record."""
    today = datetime.now(UTC).date()
    return [today + timedelta(days=number) for number in range(AHEAD_DAYS + 1)]


def drop_before(oldest: date) -> int:
    """Remove the records of whole days before `oldest`; return how many days that were."""
    KNOWN.clear()
    gone = [day for day in sorted(days()) if day < oldest]
    return sum(_changed(f"drop the partition of {day}", [f"DROP TABLE {_name(day)}"]) for day in gone)


def _making(day: date) -> list[str]:
    """Made beside the table and attached, which lets readers and writers of other days go on.

    Records of the day that came before are in the default partition, and move.
    """
    first, last = f"'{day} 00:00+00'", f"'{day + timedelta(days=1)} 00:00+00'"
    moved = f"DELETE FROM {DEFAULT} WHERE requested_at >= {first} AND requested_at < {last} RETURNING *"  # noqa: S608
    name = _name(day)
    return [
        f"CREATE TABLE {name} (LIKE {TABLE} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
        f"LOCK TABLE {DEFAULT} IN ACCESS EXCLUSIVE MODE",
        f"WITH moved AS ({moved}) INSERT INTO {name} SELECT * FROM moved",  # noqa: S608
        "SET CONSTRAINTS ALL IMMEDIATE",
        f"ALTER TABLE {TABLE} ATTACH PARTITION {name} FOR VALUES FROM ({first}) TO ({last})",
    ]


def _changed(what: str, statements: Iterable[str]) -> bool:
    """Whether it could be done now; if not, it is for a later time."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
            for statement in statements:
                cursor.execute(statement)
    except (OperationalError, ProgrammingError) as error:  # locked for long, or another process was first
        log.info("Could not %s now: %s", what, str(error).strip().splitlines()[0])
        return False
    return True


def _name(day: date) -> str:
    return f"{TABLE}_{day:%Y%m%d}"
