"""Calls over time: how many of each class of status, and their latency, of the calls that filters mean.

The database counts calls by piece of time, class and bin of latency, so that no call leaves it and none is sorted.
Bins grow by a tenth, and percentiles are read from them: they are within a tenth of the true ones.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Count, F, Func, IntegerField
from django.db.models.functions import Floor, Greatest, Ln
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone

from serving.models import Serving
from serving.records import queries
from serving.records.filters import Filters
from serving.records.matching import Sql

MOST_PIECES = 60
WIDTHS = (
    1,
    5,
    10,
    30,
    60,
    300,
    600,
    1800,
    3600,
    3 * 3600,
    6 * 3600,
    12 * 3600,
    86_400,
    7 * 86_400,
    30 * 86_400,
)
GROWTH = 1.1
PERCENTILES = (50, 95, 99)
CLASSES = ("2xx", "3xx", "4xx", "5xx")

Bins = Counter[int]


@dataclass(frozen=True)
class Piece:
    """The calls of the `width` that begins at `start`: how many by class, and milliseconds by percentile."""

    start: datetime
    classes: dict[str, int]
    latency_ms: dict[int, float | None]

    @property
    def calls(self) -> int:
        return sum(self.classes.values())


@dataclass(frozen=True)
class Row:
    """A piece as a row of a table, with a cell for each class that the chart has."""

    start: datetime
    calls: list[tuple[str, int]]
    latency: list[tuple[str, float | None]]

    @property
    def seconds(self) -> int:
        return int(self.start.timestamp())


@dataclass(frozen=True)
class Chart:
    """Pieces of `width_seconds`, none left out; `whole` is all of them together, without calls None."""

    width_seconds: int
    pieces: list[Piece]
    whole: Piece | None

    @property
    def calls(self) -> int:
        return self.whole.calls if self.whole else 0

    @property
    def classes(self) -> list[str]:
        """Those that there are calls of, and 2xx."""
        met = self.whole.classes if self.whole else {}
        return [each for each in CLASSES if each == "2xx" or met.get(each)]

    @property
    def rows(self) -> list[Row]:
        return [
            Row(
                piece.start,
                [(name, piece.classes.get(name, 0)) for name in self.classes],
                [(f"p{percent}", took) for percent, took in piece.latency_ms.items()],
            )
            for piece in self.pieces
        ]


class _Piece(Func):
    """The number of the piece of `width` seconds since 1970 in which a time is."""

    output_field = IntegerField()

    def __init__(self, column: str, width: int) -> None:
        super().__init__(column)
        self.width = width

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any) -> Sql:
        column, params = compiler.compile(self.source_expressions[0])
        return f"floor(date_part('epoch', {column}) / {self.width:d})::bigint", [*params]

    def as_sqlite(  # type: ignore[override]
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any
    ) -> Sql:
        column, params = compiler.compile(self.source_expressions[0])
        return f"CAST(strftime('%%s', {column}) AS INTEGER) / {self.width:d}", [*params]


def draw(serving: Serving, asked: Filters) -> Chart:
    """The chart of the calls that are meant. Raises queries.TooSlow."""
    asked = asked.at(timezone.now())
    with queries.patience():
        first, last = _ends(serving, asked)
        if first is None or last is None:
            return Chart(WIDTHS[0], [], None)
        width = width_for((last - first).total_seconds())
        rows = _counted(serving, asked, width)
    return chart_of(rows, first=_number(first, width), last=_number(last, width), width=width)


def width_for(seconds: float) -> int:
    """The narrowest of WIDTHS by which there are no more than MOST_PIECES."""
    return next((width for width in WIDTHS if seconds / width < MOST_PIECES - 1), _days_for(seconds))


def chart_of(rows: Iterable[tuple[int, int, int, int]], *, first: int, last: int, width: int) -> Chart:
    """Of rows (number of the piece, hundreds of the status, bin of latency, calls)."""
    classes: dict[int, Counter[str]] = {}
    bins: dict[int, Bins] = {}
    for piece, hundreds, number, calls in rows:
        classes.setdefault(piece, Counter())[f"{hundreds}xx"] += calls
        bins.setdefault(piece, Counter())[number] += calls
    pieces = [
        _piece(number * width, classes.get(number, Counter()), bins.get(number, Counter()))
        for number in range(first, last + 1)
    ]
    whole = _piece(first * width, sum(classes.values(), Counter()), sum(bins.values(), Counter()))
    return Chart(width, pieces, whole if whole.calls else None)


def percentile(bins: Bins, percent: float) -> float | None:
    """Milliseconds that so many percent of the calls in bins of microseconds did not exceed; None without calls."""
    total = sum(bins.values())
    rank, below = total * percent / 100, 0
    for number in sorted(bins):
        if below + bins[number] >= rank and bins[number]:
            part = (rank - below) / bins[number]
            return float(GROWTH ** (number + part)) / 1000
        below += bins[number]
    return None


def _ends(serving: Serving, asked: Filters) -> tuple[datetime | None, datetime | None]:
    """From when to when pieces are drawn: what was asked for, and not beyond the calls that there are."""
    times = serving.inference_records.order_by()
    oldest = times.order_by("requested_at").values_list("requested_at", flat=True).first()
    newest = times.order_by("-requested_at").values_list("requested_at", flat=True).first()
    if oldest is None or newest is None or asked.until is None:
        return None, None
    first = max(asked.since, oldest) if asked.since else oldest
    last = min(asked.until, newest) if asked.since is None else asked.until
    return (first, last) if first <= last else (None, None)


def _counted(serving: Serving, asked: Filters, width: int) -> list[tuple[int, int, int, int]]:
    latency = Floor(Ln(Greatest("duration_us", 1)) / math.log(GROWTH))
    found = queries.selected(serving, asked).order_by()
    grouped = found.annotate(piece=_Piece("requested_at", width), hundreds=F("status") / 100, bin=latency)
    counted = grouped.values_list("piece", "hundreds", "bin").annotate(calls=Count("pk"))
    return [(int(piece), int(hundreds), int(number), calls) for piece, hundreds, number, calls in counted]


def _piece(start: int, classes: Mapping[str, int], bins: Bins) -> Piece:
    latency = {percent: percentile(bins, percent) for percent in PERCENTILES}
    return Piece(datetime.fromtimestamp(start, UTC), dict(sorted(classes.items())), latency)


def _number(moment: datetime, width: int) -> int:
    return int((moment - queries.EPOCH) / timedelta(seconds=width))


def _days_for(seconds: float) -> int:
    return math.ceil(seconds / (MOST_PIECES - 1) / 86_400) * 86_400
