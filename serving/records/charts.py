"""Calls over time: how many of each class of status, and their latency, of the calls that filters mean.

The database counts calls by piece of time, class and bin of latency, so that no call leaves it and none is sorted.
Bins grow by a tenth, and percentiles are read from them: they are within a tenth of the true ones, and between the
quickest and the slowest call.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db.models import Count, F, Max, Min
from django.db.models.functions import Floor, Greatest, Ln
from django.utils import timezone

from serving.models import Serving
from serving.records import queries
from serving.records.filters import Filters
from serving.records.pieces import NumberOfPiece

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


class Counted(NamedTuple):
    """The calls of one piece, class and bin of latency; the quickest and the slowest in microseconds."""

    piece: int
    hundreds: int
    bin: int
    calls: int
    least_us: int
    most_us: int


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


def chart_of(rows: Sequence[Counted], *, first: int, last: int, width: int) -> Chart:
    by_piece: dict[int, list[Counted]] = {}
    for row in rows:
        by_piece.setdefault(row.piece, []).append(row)
    pieces = [_piece(number * width, by_piece.get(number, [])) for number in range(first, last + 1)]
    whole = _piece(first * width, rows)
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


def _counted(serving: Serving, asked: Filters, width: int) -> list[Counted]:
    latency = Floor(Ln(Greatest("duration_us", 1)) / math.log(GROWTH))
    found = queries.selected(serving, asked).order_by()
    grouped = found.annotate(
        piece=NumberOfPiece("requested_at", width), hundreds=F("status") / 100, bin=latency
    ).values_list("piece", "hundreds", "bin")
    counted = grouped.annotate(calls=Count("pk"), least=Min("duration_us"), most=Max("duration_us"))
    return [Counted(*map(int, row)) for row in counted]


def _piece(start: int, rows: Sequence[Counted]) -> Piece:
    classes: Counter[str] = Counter()
    bins: Bins = Counter()
    for row in rows:
        classes[f"{row.hundreds}xx"] += row.calls
        bins[row.bin] += row.calls
    latency = {percent: _met(percentile(bins, percent), rows) for percent in PERCENTILES}
    return Piece(datetime.fromtimestamp(start, UTC), dict(sorted(classes.items())), latency)


def _met(milliseconds: float | None, rows: Sequence[Counted]) -> float | None:
    """As near to it as calls were: a bin may begin before its quickest and end after its slowest."""
    if milliseconds is None:
        return None
    least, most = min(row.least_us for row in rows), max(row.most_us for row in rows)
    return min(max(milliseconds, least / 1000), most / 1000)


def _number(moment: datetime, width: int) -> int:
    return int((moment - queries.EPOCH) / timedelta(seconds=width))


def _days_for(seconds: float) -> int:
    return math.ceil(seconds / (MOST_PIECES - 1) / 86_400) * 86_400
