"""Bins never miss a number that fits, and rule out most others."""

import operator
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.models import InferenceRecord, Serving
from serving.records import bins, filters, queries

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63) + 1, 2**63 - 1)


@given(st.lists(NUMBERS, min_size=1, max_size=32), NUMBERS, st.sampled_from(list(COMPARISONS)))
def test_what_fits_is_in_a_bin_that_is_looked_at(column: list[float], beside: float, comparison: str) -> None:
    looked_at = bins.covering(comparison, beside)
    assert len(looked_at) == len(set(looked_at)) < 100
    if any(COMPARISONS[comparison](each, beside) for each in column):
        assert set(bins.of_column(column)) & set(looked_at)


@pytest.mark.parametrize(("value", "beside"), [(50, 49), (98, 99.5), (-3, -2.9), (0, 0.001), (1e-9, 1e-8)])
def test_what_is_well_beyond_is_not_looked_at(value: float, beside: float) -> None:
    away = "<" if value > beside else ">"
    assert not set(bins.of_column([value])) & set(bins.covering(away, beside))


def test_words_and_truths_are_in_no_bin() -> None:
    assert bins.of({"in": {"a": ["7", True, None]}, "out": {"": [7, "x"]}})["in"] == {}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("in.w > 99", [99.5]),
        ("w >= 99.5", [99.5]),
        ("in.w < -2", [-7]),
        ("w > 3 and w < 4", [3.5]),
        ("w > 100", []),
    ],
)
def test_a_rare_number_is_found_beyond_the_first_step(
    where: str, found: list[float], call: Any, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "FIRST_STEP", 5)
    for number in [*[1] * 12, 99.5, -7, 3.5, 2, 1]:
        call(fields={"in": {"w": [number]}, "out": {}})
    asked = filters.parse({"where": where})
    page = queries.page(serving, asked, after=None, size=10, seconds=30)
    assert [record.fields["in"]["w"] for record in page.records] == [[each] for each in found]
    assert InferenceRecord.objects.count() == 17
