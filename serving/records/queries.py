"""Reads inference records in pages, newest first, and never longer than somebody would wait.

A page is found by the place where the one before ended, so that the thousandth costs what the first does. Conditions on
values that no index answers are looked for in steps of growing size, newest calls first, until the page is full or its
time is over; the next page then goes on from there.
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from django.db import OperationalError, connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from serving.errors import NoSuchServing, ServingError
from serving.models import InferenceRecord, Serving
from serving.records import filters, matching
from serving.records.filters import Filters
from serving.records.words import ALL_TIMES

FIRST_STEP = 5_000
LARGEST_STEP = 80_000
PATIENCE_SECONDS = 10
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST_DIGITS = 18


@dataclass(frozen=True)
class Place:
    """A place between two calls; those after it in the order of pages are older."""

    requested_at: datetime
    id: int

    def __str__(self) -> str:
        return f"{(self.requested_at - EPOCH) // timedelta(microseconds=1)}-{self.id}"

    @property
    def older(self) -> Q:
        """The first part bounds the walk through the index, the second settles ties."""
        return Q(requested_at__lte=self.requested_at) & (
            Q(requested_at__lt=self.requested_at) | Q(id__lt=self.id)
        )

    @property
    def not_older(self) -> Q:
        return Q(requested_at__gte=self.requested_at) & (
            Q(requested_at__gt=self.requested_at) | Q(id__gte=self.id)
        )


@dataclass(frozen=True)
class Page:
    """Some calls; `next` is where older ones begin, None at the end.

    `searched_to` is set where time was over before the page was full: all newer calls were looked at.
    """

    records: list[InferenceRecord]
    next: Place | None
    searched_to: datetime | None = None


class TooSlow(ServingError):
    code = "too_slow"
    status = 503


class BadCursor(ServingError):
    code = "invalid"

    def __init__(self) -> None:
        super().__init__("cursor: This is no cursor; take the address in `next` as it is.", field="cursor")


def place(text: str) -> Place | None:
    """The place a page began at, None for the newest; raises BadCursor."""
    if not text:
        return None
    moment, _, number = text.partition("-")
    if not all(part.isascii() and part.isdigit() and len(part) <= MOST_DIGITS for part in (moment, number)):
        raise BadCursor
    try:
        return Place(EPOCH + timedelta(microseconds=int(moment)), int(number))
    except OverflowError:
        raise BadCursor from None


def selected(serving: Serving, asked: Filters, *, now: datetime | None = None) -> QuerySet[InferenceRecord]:
    """All calls that are meant, newest first."""
    newest_first = serving.inference_records.order_by("-requested_at", "-id")
    return filters.apply(newest_first, asked, now=now)


def page(serving: Serving, asked: Filters, *, after: Place | None, size: int, seconds: float) -> Page:
    """The newest `size` calls that are meant beyond `after`, or those that were found in about so many seconds."""
    with patience():
        if not asked.where:
            found = selected(serving, asked)
            return _cut(list((found.filter(after.older) if after else found)[: size + 1]), size)
        return _searched(serving, asked, after=after, size=size, deadline=time.monotonic() + seconds)


def one(serving: Serving, number: int) -> InferenceRecord:
    found = serving.inference_records.filter(pk=number).first() if number < 2**63 else None
    if found is None:
        raise NoSuchServing(f"{serving} has no call {number}; the oldest are forgotten after a while.")
    return found


@contextlib.contextmanager
def patience(seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Ends a search that takes longer, with a sentence, where the database can."""
    if connection.vendor != "postgresql":
        yield
        return
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{seconds * 1000:.0f}"])
            yield
            cursor.execute("SELECT set_config('statement_timeout', '0', true)")
    except OperationalError as error:
        if "statement timeout" not in str(error):
            raise
        raise TooSlow(
            f"The search was ended after {seconds:.0f} s; choose a shorter time or fewer conditions."
        ) from None


def _searched(serving: Serving, asked: Filters, *, after: Place | None, size: int, deadline: float) -> Page:
    """Look step by step, each step so many calls of the time that is meant."""
    frozen = replace(asked, since=asked.start(timezone.now()), period=ALL_TIMES)
    found = selected(serving, frozen)
    walked = selected(serving, Filters(since=frozen.since, until=frozen.until))
    records: list[InferenceRecord] = []
    step = FIRST_STEP
    while True:
        last = _end_of_step(walked, after, step)
        here = found.filter(after.older) if after else found
        here = here.filter(last.not_older) if last else here
        records += here[: size + 1 - len(records)]
        if len(records) > size or last is None:
            return _cut(records, size)
        if _is_indexed(asked):  # rare, as the first step has shown
            rest = _by_index(found, asked).filter(last.older)
            return _cut([*records, *rest[: size + 1 - len(records)]], size)
        if time.monotonic() > deadline:
            return Page(records, last, searched_to=last.requested_at)
        after, step = last, min(step * 2, LARGEST_STEP)


def _is_indexed(asked: Filters) -> bool:
    return connection.vendor == "postgresql" and any(map(matching.is_indexed, asked.where))


def _by_index(found: QuerySet[InferenceRecord], asked: Filters) -> QuerySet[InferenceRecord]:
    """The same calls, where the index is to find what no number rules out."""
    for condition in filter(matching.is_range, asked.where):
        found = found.filter(matching.IsInBins(condition))
    return found


def _end_of_step(walked: QuerySet[InferenceRecord], after: Place | None, step: int) -> Place | None:
    """The last call of the step; None if it reaches the oldest."""
    rows = (walked.filter(after.older) if after else walked).values_list("requested_at", "id")
    last = rows[step - 1 : step].first()
    return Place(*last) if last else None


def _cut(records: list[InferenceRecord], size: int) -> Page:
    if len(records) <= size:
        return Page(records, None)
    last = records[size - 1]
    return Page(records[:size], Place(last.requested_at, last.pk))
