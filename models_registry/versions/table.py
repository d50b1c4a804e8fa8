"""The table of a model's versions: its metrics as columns, in the order that was asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator

from models_registry import queries
from models_registry.models import ModelVersion, RegisteredModel

MOST_COLUMNS = 5
PER_PAGE = 50


@dataclass(frozen=True)
class Column:
    """A metric; `aria` is how it is sorted, `then` the direction that its header asks for next."""

    name: str
    aria: str
    then: str


@dataclass(frozen=True)
class Cell:
    """A metric of a version; `text` has six digits, `exact` all of them."""

    name: str
    exact: Any

    @property
    def text(self) -> str:
        if self.exact is None:
            return "–"
        return f"{self.exact:.6g}" if isinstance(self.exact, float) else str(self.exact)


@dataclass(frozen=True)
class Row:
    version: ModelVersion
    cells: list[Cell]


@dataclass(frozen=True)
class Table:
    """`page` holds the versions of `rows`; `more` metrics have no column of their own."""

    columns: list[Column]
    rows: list[Row]
    page: Page[ModelVersion]
    more: list[str]


def table(model: RegisteredModel, *, metric: str, direction: str, number: str | None) -> Table:
    """Newest first, or by a metric: the highest first unless `direction` is `min`."""
    names = queries.metric_names(model)
    metric = metric if metric in names else ""
    versions: Sequence[ModelVersion] = list(queries.versions(model))
    if metric:
        versions = queries.versions_by(model, metric, highest_first=direction != "min")
    page = Paginator(versions, PER_PAGE).get_page(number)
    shown = _shown(names, metric)
    return Table(
        columns=[_column(name, metric, direction) for name in shown],
        rows=[_row(version, shown) for version in page],
        page=page,
        more=[name for name in names if name not in shown],
    )


def _shown(names: list[str], metric: str) -> list[str]:
    """The first few metrics, and always the one that is sorted by."""
    first = names[:MOST_COLUMNS]
    return first if not metric or metric in first else [*first[:-1], metric]


def _column(name: str, metric: str, direction: str) -> Column:
    if name != metric:
        return Column(name, "none", "max")
    return Column(name, "ascending", "max") if direction == "min" else Column(name, "descending", "min")


def _row(version: ModelVersion, shown: list[str]) -> Row:
    return Row(version, [Cell(name, version.metrics.get(name)) for name in shown])
