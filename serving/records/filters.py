"""Which calls are meant: the same words on the page, in the API, in exports and in replays."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from serving.errors import ServingError
from serving.models import InferenceRecord
from serving.records import matching
from serving.records.conditions import Condition
from serving.records.words import ALL_TIMES, FAILED, PERIODS, READERS, plain

FIRST_FAILURE = 400


@dataclass(frozen=True)
class Filters:
    """Calls of the last `period`, or of `since` to before `until`, which count instead; what is None or empty restricts
    nothing.

    `status` is a number, a class such as 5xx, or `failed` (400 and above). Latencies are milliseconds.
    """

    period: str = ALL_TIMES
    since: datetime | None = None
    until: datetime | None = None
    status: str = ""
    at_least_ms: float | None = None
    at_most_ms: float | None = None
    revision: int | None = None
    replica: str = ""
    key: str = ""
    request_id: str = ""
    verb: str = ""
    protocol: str = ""
    where: tuple[Condition, ...] = ()

    @property
    def words(self) -> dict[str, str]:
        """What `parse` makes these filters of: for addresses, and to keep."""
        said = {name: _said(getattr(self, field)) for name, field in NAMES.items()}
        said["where"] = " and ".join(map(str, self.where))
        if self.period == ALL_TIMES:
            del said["period"]
        return {name: text for name, text in said.items() if text}

    @property
    def has_other_than_time(self) -> bool:
        return bool(self.words.keys() - {"period", "from", "to"})

    def start(self, now: datetime) -> datetime | None:
        """Since when calls are meant."""
        return self.since if self.period == ALL_TIMES else now - PERIODS[self.period]

    def at(self, now: datetime) -> "Filters":
        """The same with times instead of the period, so that they mean the same calls later."""
        return replace(self, period=ALL_TIMES, since=self.start(now), until=self.until or now)


class BadFilters(ServingError):
    """`errors` are sentences by the name of the filter."""

    code = "invalid"

    def __init__(self, errors: Mapping[str, str]) -> None:
        field, sentence = next(iter(errors.items()))
        super().__init__(f"{field}: {sentence}", field=field)
        self.errors = dict(errors)


def parse(said: Mapping[str, Any], *, besides: Collection[str] = ()) -> Filters:
    """The filters meant by texts (or JSON values) by name; raises BadFilters with a sentence for each that is wrong.

    Of a name that is given more than once the last counts, except `where`: all of its conditions hold. `besides` are
    names of things that are no filters.
    """
    found: dict[str, Any] = {}
    errors = {name: _unknown(name) for name in said if name not in READERS and name not in besides}
    for name in said.keys() & READERS.keys():
        try:
            text = plain(_given(said, name))
            if text:
                found[NAMES[name]] = READERS[name](text)
        except ValueError as error:
            errors[name] = str(error)
    if not errors:
        errors = _contradictions(found)
    if errors:
        raise BadFilters({name: errors[name] for name in sorted(errors, key=_place)})
    if "since" in found or "until" in found:
        found.pop("period", None)
    return Filters(**found)


def apply(
    records: QuerySet[InferenceRecord], filters: Filters, *, now: datetime | None = None
) -> QuerySet[InferenceRecord]:
    """Those of the records that are meant, in the order they had."""
    exact = {"revision": filters.revision, "replica": filters.replica, "key_id": filters.key}
    exact |= {"request_id": filters.request_id, "verb": filters.verb, "protocol": filters.protocol}
    found = records.filter(**{name: value for name, value in exact.items() if value not in {None, ""}})
    in_time = _in_time(filters.start(now or timezone.now()), filters.until)
    found = found.filter(in_time & _of_status(filters.status) & _of_latency(filters))
    for condition in filters.where:
        found = found.filter(matching.fits(condition))
    return found


def _in_time(since: datetime | None, until: datetime | None) -> Q:
    found = Q(requested_at__gte=since) if since else Q()
    return found & Q(requested_at__lt=until) if until else found


def _of_status(status: str) -> Q:
    if not status:
        return Q()
    if status == FAILED:
        return Q(status__gte=FIRST_FAILURE)
    if status.endswith("xx"):
        first = int(status[0]) * 100
        return Q(status__gte=first, status__lt=first + 100)
    return Q(status=int(status))


def _of_latency(filters: Filters) -> Q:
    found = Q()
    if filters.at_least_ms is not None:
        found &= Q(duration_us__gte=math.ceil(filters.at_least_ms * 1000))
    if filters.at_most_ms is not None:
        found &= Q(duration_us__lte=math.floor(filters.at_most_ms * 1000))
    return found


def _unknown(name: str) -> str:
    return f"There is no filter {name[:60]}; there are {', '.join(READERS)}."


def _given(said: Mapping[str, Any], name: str) -> Any:
    value = said[name]
    several = said.getlist(name) if hasattr(said, "getlist") else value
    if name != "where" or not isinstance(several, list):
        return value
    texts = [text for text in map(plain, several) if text]
    for text in texts:
        READERS[name](text)  # by itself: a quote that one leaves open is not closed by the next
    return " and ".join(texts)


def _contradictions(found: Mapping[str, Any]) -> dict[str, str]:
    since, until = found.get("since"), found.get("until")
    if since and until and since >= until:
        return {"to": "It is not after “from”; no call can lie between them."}
    least, most = found.get("at_least_ms"), found.get("at_most_ms")
    if least is not None and most is not None and least > most:
        return {"at_most_ms": "It is less than “at least”; no call can lie between them."}
    return {}


def _said(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _place(name: str) -> int:
    return list(READERS).index(name) if name in READERS else len(READERS)


NAMES = dict(zip(READERS, (field.name for field in fields(Filters)), strict=True))
